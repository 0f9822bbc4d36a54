"""What `load_base` swaps for faster forms gives what transformers' own layers give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlhf.models.base import load_base
from rlhf.models.norm import FrozenRMSNorm
from tests.shapes import SHAPES, made

IDS = torch.arange(3, 51).view(4, 12)


def with_opinions(kind: str, folder: Path, tokenizer: Path) -> Path:
    """Norms whose weights are not all one."""
    made(kind, folder, tokenizer=tokenizer)
    model = AutoModelForCausalLM.from_pretrained(folder)
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=noise))
    model.save_pretrained(folder)
    return folder


def outcome(model: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and the gradient of their squares at the embeddings."""
    embedded = model.get_input_embeddings()(IDS).detach().requires_grad_()  # type: ignore[operator]
    logits = model(inputs_embeds=embedded).logits
    (slope,) = torch.autograd.grad(logits.square().sum(), embedded)
    return logits.detach(), slope


@pytest.mark.parametrize("kind", SHAPES)
def test_a_loaded_base_thinks_what_transformers_own_does(
    kind: str, tiny_llama: Path, tmp_path: Path
) -> None:
    folder = with_opinions(kind, tmp_path / kind, tiny_llama)
    plain = AutoModelForCausalLM.from_pretrained(folder).eval().requires_grad_(False)
    logits, slope = outcome(plain)
    ours, our_slope = outcome(load_base(folder))
    assert torch.allclose(ours, logits, atol=1e-5)
    assert torch.allclose(our_slope, slope, atol=1e-4 * float(slope.abs().max()))


@pytest.mark.parametrize(("kind", "swapped"), [("llama", 5), ("qwen3", 9), ("gemma", 0)])
def test_only_norms_that_ours_equals_are_swapped(
    kind: str, swapped: int, tiny_llama: Path, tmp_path: Path
) -> None:
    base = load_base(with_opinions(kind, tmp_path / kind, tiny_llama))
    assert sum(isinstance(one, FrozenRMSNorm) for one in base.modules()) == swapped

"""What `load_base` swaps for faster forms gives what transformers' own layers give."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from rlhf.models import rotary
from rlhf.models.base import load_base
from rlhf.models.norm import FrozenRMSNorm
from tests.shapes import ODD, SHAPES, made

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


@pytest.fixture(autouse=True)
def _untouched_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules whose rotation another test has replaced get their own back."""
    for name, module in list(sys.modules.items()):
        if ".modeling_" in name:
            theirs = getattr(getattr(module, rotary.NAME, None), "theirs", None)
            if theirs is not None:
                monkeypatch.setattr(module, rotary.NAME, theirs)


@pytest.mark.parametrize("kind", [*SHAPES, *ODD])
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


@pytest.mark.parametrize(
    ("kind", "swapped"), [("llama", True), ("qwen3", True), ("phi", True), ("gpt2", False)]
)
def test_positions_are_rotated_by_ours_where_it_equals_theirs(
    kind: str, swapped: bool, tiny_llama: Path, tmp_path: Path
) -> None:
    home = sys.modules[
        type(load_base(made(kind, tmp_path / kind, tokenizer=tiny_llama))).__module__
    ]
    assert hasattr(getattr(home, rotary.NAME, None), "theirs") == swapped


def test_a_rotation_of_neighbours_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some architectures turn even places with odd ones, not one half with the other."""

    def neighbours(
        q: torch.Tensor,
        k: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        unsqueeze_dim: int = 1,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        def turned(x: torch.Tensor) -> torch.Tensor:
            crossed = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)
            return x * cos.unsqueeze(unsqueeze_dim) + crossed * sin.unsqueeze(unsqueeze_dim)

        return turned(q), turned(k)

    model = LlamaForCausalLM(LlamaConfig(hidden_size=64, num_hidden_layers=1, vocab_size=8))
    home = sys.modules[type(model).__module__]
    monkeypatch.setattr(home, rotary.NAME, neighbours)
    rotary.use_where_equal(model)
    assert getattr(home, rotary.NAME) is neighbours

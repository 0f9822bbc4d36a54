"""Our adapter layer against PEFT's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA
from tests.shapes import SHAPES, made

ROLES = ("policy", "value")
IDS = torch.arange(3, 51).view(4, 12)
MASK = torch.ones_like(IDS)


def shaken(model: torch.nn.Module) -> None:
    """Adapters that do something, the same ones for the same names."""
    noise = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=noise) * 0.1)


def theirs(folder: Path, config: LoraConfig) -> PeftModel:
    plain = LoraConfig(
        r=config.r,
        lora_alpha=config.lora_alpha,
        target_modules=config.target_modules,
        layers_to_transform=config.layers_to_transform,
    )
    model = PeftModel(load_base(folder), plain, adapter_name=ROLES[0])
    model.add_adapter(ROLES[1], plain)
    shaken(model)
    return model.eval()


def states(model: PeftModel) -> torch.Tensor:
    base = model.get_base_model()
    assert isinstance(base, PreTrainedModel)
    last: torch.Tensor = base.base_model(input_ids=IDS).last_hidden_state
    return last


@pytest.mark.parametrize("adapted", ["all", "top-half"])
@pytest.mark.parametrize("kind", SHAPES)
def test_states_and_gradients_are_those_of_peft(
    kind: str, adapted: str, tiny_llama: Path, tmp_path: Path
) -> None:
    folder = made(kind, tmp_path / kind, tokenizer=tiny_llama)
    roles = RoleModel(load_base(folder), load_tokenizer(folder))
    for role in ROLES:
        lora = LoRA.model_validate({"r": 4, "adapted_layers": adapted})
        roles.add_role(role, lora, head=False, seed=0)
    shaken(roles._model())
    config = roles._model().peft_config["policy"]
    assert isinstance(config, LoraConfig)
    plain = theirs(folder, config)
    weigh = torch.randn(4, 12, roles.hidden_size, generator=torch.Generator().manual_seed(1))
    for role in ROLES:
        plain.set_adapter(role)
        wanted = states(plain)
        got = roles.hidden(role, IDS, MASK)
        assert torch.allclose(got, wanted, atol=1e-5)
        (got * weigh).sum().backward()
        (wanted * weigh).sum().backward()
        gradients = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
        ours = {n: p.grad for n, p in roles._model().named_parameters() if p.grad is not None}
        assert ours.keys() == gradients.keys()
        assert all(f".{role}." in name for name in ours)
        for name, gradient in ours.items():
            assert gradient is not None
            scale = gradients[name].abs().max()
            assert torch.allclose(gradient, gradients[name], atol=1e-5 * float(scale) + 1e-7), name
        roles._model().zero_grad(set_to_none=True)
        plain.zero_grad(set_to_none=True)
    with plain.disable_adapter():
        wanted = states(plain)
    assert torch.allclose(roles.hidden(None, IDS, MASK), wanted, atol=1e-6)


def test_merging_for_decoding_leaves_the_base_as_it_was(tiny_llama: Path) -> None:
    roles = RoleModel(load_base(tiny_llama), load_tokenizer(tiny_llama))
    roles.add_role("policy", LoRA(r=4), head=False, seed=0)
    shaken(roles._model())
    apart = roles.hidden("policy", IDS, MASK)
    before = {name: p.clone() for name, p in roles.base.named_parameters()}
    with torch.no_grad(), roles.merged("policy"):
        merged = roles.base.base_model(input_ids=IDS).last_hidden_state
    assert torch.allclose(merged, apart, atol=1e-5)
    assert torch.equal(roles.hidden("policy", IDS, MASK), apart)
    assert all(torch.equal(p, before[name]) for name, p in roles.base.named_parameters())

"""The trunk cache: the same bits with and without."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA
from tests.rlhf.models.test_low_rank import IDS, MASK, shaken
from tests.shapes import SHAPES, made


def with_roles(folder: Path, adapted: str | int) -> RoleModel:
    roles = RoleModel(load_base(folder), load_tokenizer(folder))
    lora = LoRA.model_validate({"r": 4, "adapted_layers": adapted})
    roles.add_role("policy", lora, head=False, seed=0)
    roles.add_role("reward-0", lora, head=True, seed=1)
    shaken(roles._model())
    return roles


@pytest.mark.parametrize("kind", SHAPES)
def test_every_role_sees_the_same_above_the_cache(
    kind: str, tiny_llama: Path, tmp_path: Path
) -> None:
    roles = with_roles(made(kind, tmp_path / kind, tokenizer=tiny_llama), "top-half")
    ids, mask = IDS.clone(), MASK.clone()
    mask[1, 9:] = 0
    hidden, trunk = roles.hidden_and_trunk("policy", ids, mask)
    assert trunk is not None
    assert trunk.shape == hidden.shape
    assert torch.equal(hidden, roles.hidden("policy", ids, mask))
    for role in ("policy", "reward-0", None):
        plain = roles.hidden(role, ids, mask)
        assert torch.equal(roles.hidden(role, ids, mask, trunk), plain)
        assert torch.equal(roles.hidden(role, ids, mask), plain)
    score = roles.scores("reward-0", ids, mask)
    assert torch.equal(roles.scores("reward-0", ids, mask, trunk), score)


def test_gradients_above_the_cache_are_the_same(tiny_llama: Path) -> None:
    roles = with_roles(tiny_llama, "top-half")
    _, trunk = roles.hidden_and_trunk("policy", IDS, MASK)
    told = []
    for given in (None, trunk):
        roles.hidden("policy", IDS, MASK, given).square().sum().backward()
        gradients = {name: p.grad for name, p in roles.trainable("policy") if p.grad is not None}
        assert len(gradients) == len(roles.trainable("policy"))
        told.append(gradients)
        for _, parameter in roles.trainable("policy"):
            parameter.grad = None
    for name, gradient in told[0].items():
        assert torch.equal(gradient, told[1][name]), name


def test_adapters_everywhere_leave_nothing_to_keep(tiny_llama: Path) -> None:
    _, trunk = with_roles(tiny_llama, "all").hidden_and_trunk("policy", IDS, MASK)
    assert trunk is None

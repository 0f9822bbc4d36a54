"""Files that are damaged, half there or foreign are refused in one sentence; nothing is made up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rlhf.errors import ModelError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA

Weights = dict[str, torch.Tensor]


def rewritten(file: Path, change: Callable[[Weights], Weights]) -> None:
    tensors = change(load_file(file))
    save_file({name: value.contiguous() for name, value in tensors.items()}, file)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def half(tensors: Weights) -> Weights:
    return dict(sorted(tensors.items())[: len(tensors) // 2])


def narrow(tensors: Weights) -> Weights:
    return {name: value[..., :16] for name, value in tensors.items()}


def without_gain(tensors: Weights) -> Weights:
    return {name: value for name, value in tensors.items() if name != "gain"}


@pytest.fixture
def model(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


@pytest.fixture
def roles(tiny_llama: Path) -> RoleModel:
    one = RoleModel(load_base(tiny_llama), load_tokenizer(tiny_llama))
    one.add_role("reward-0", LoRA(r=4), head=True, seed=1)
    return one


@pytest.mark.parametrize("damage", [half, narrow])
def test_a_base_without_all_its_weights_gets_no_random_ones(
    model: Path, damage: Callable[[Weights], Weights]
) -> None:
    rewritten(model / "model.safetensors", damage)
    with pytest.raises(ModelError, match=str(model)):
        load_base(model)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_base_whose_file_was_cut_off_is_refused(model: Path, file: str) -> None:
    cut(model / file)
    with pytest.raises(ModelError, match=str(model)):
        load_base(model)


def test_a_tokenizer_whose_file_was_cut_off_is_refused(model: Path) -> None:
    cut(model / "tokenizer.json")
    with pytest.raises(ModelError, match="no tokenizer can be loaded"):
        load_tokenizer(model)


def test_pickled_weights_are_refused_with_what_to_do(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is a pickle, convert it"):
        load_base(model)


def test_a_model_that_brings_code_is_refused(model: Path) -> None:
    told = json.loads((model / "config.json").read_text())
    told |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (model / "config.json").write_text(json.dumps(told))
    (model / "own.py").write_text("raise SystemExit('code of the model was run')")
    with pytest.raises(ModelError):
        load_base(model)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("adapter_model.safetensors", half),
        ("adapter_model.safetensors", narrow),
        ("head.safetensors", without_gain),
    ],
)
def test_a_role_that_is_half_there_is_refused(
    roles: RoleModel, tmp_path: Path, file: str, damage: Callable[[Weights], Weights]
) -> None:
    roles.save_role("reward-0", tmp_path)
    rewritten(tmp_path / file, damage)
    with pytest.raises(ModelError, match=str(tmp_path)):
        roles.load_role("again", tmp_path)
    assert roles.roles == ["reward-0"]
    assert sorted(roles.heads) == ["reward-0"]


@pytest.mark.parametrize(
    "file", ["adapter_model.safetensors", "adapter_config.json", "head.safetensors", "head.json"]
)
def test_a_role_whose_file_was_cut_off_is_refused(
    roles: RoleModel, tmp_path: Path, file: str
) -> None:
    roles.save_role("reward-0", tmp_path)
    cut(tmp_path / file)
    with pytest.raises(ModelError, match=str(tmp_path)):
        roles.load_role("again", tmp_path)


def test_a_role_without_a_head_says_that_it_cannot_score(roles: RoleModel, tmp_path: Path) -> None:
    roles.save_role("reward-0", tmp_path)
    (tmp_path / "head.safetensors").unlink()
    (tmp_path / "head.json").unlink()
    roles.load_role("again", tmp_path)
    with pytest.raises(ModelError, match="'again' has no head"):
        roles.scores("again", torch.tensor([[5, 6]]), torch.ones(1, 2))


def test_a_head_is_bound_to_the_chat_template_that_it_learnt_from(
    roles: RoleModel, tmp_path: Path
) -> None:
    roles.save_role("reward-0", tmp_path)
    roles.tokenizer.chat_template += "{# another #}"
    with pytest.raises(ModelError, match="another tokenizer"):
        roles.load_role("again", tmp_path)


def test_a_refused_first_role_leaves_the_base_as_it_was(
    roles: RoleModel, tiny_llama: Path, tmp_path: Path
) -> None:
    roles.save_role("reward-0", tmp_path)
    rewritten(tmp_path / "adapter_model.safetensors", half)
    fresh = RoleModel(load_base(tiny_llama), load_tokenizer(tiny_llama))
    with pytest.raises(ModelError):
        fresh.load_role("again", tmp_path)
    assert fresh.roles == []
    assert not [name for name, _ in fresh.base.named_parameters() if "lora" in name]
    fresh.add_role("policy", LoRA(r=4), head=False, seed=0)
    assert fresh.roles == ["policy"]

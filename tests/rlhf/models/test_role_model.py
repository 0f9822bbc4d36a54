"""Roles on one base: many shapes of models, heads that cannot get lost, plain PEFT folders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from rlhf.errors import ModelError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.identity import base_identity
from rlhf.models.logprobs import response_logprobs_and_entropy
from rlhf.models.roles import RoleModel
from rlhf.models.text import left_pad, prompt_ids, response_ids, right_pad
from rlhf.settings import LoRA, Sampling
from tests.shapes import SHAPES, made

SENTENCES = ["short", "a somewhat longer question than the first one", "middling one"]


def sequences(roles: RoleModel) -> list[list[int]]:
    return [response_ids(roles.tokenizer, text) for text in SENTENCES]


def shaken(roles: RoleModel, role: str) -> None:
    """Give an adapter weights that change something."""
    noise = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in roles.trainable(role):
            if "lora_B" in name:
                parameter.normal_(std=0.05, generator=noise)


@pytest.mark.parametrize("kind", SHAPES)
def test_every_shape_of_model_serves_all_roles(kind: str, tiny_llama: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = made(kind, tmp_path / kind, tiny_llama)
    roles = RoleModel(load_base(folder), load_tokenizer(folder))
    roles.add_role("policy", LoRA(r=4, alpha=8), head=False, seed=1)
    roles.add_role("reward-0", LoRA(r=4, alpha=8), head=True, seed=2)
    shaken(roles, "policy")
    ids, mask = right_pad(sequences(roles))
    plain = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        reference = roles.logits(roles.hidden(None, ids, mask))
        expected = plain(input_ids=ids, attention_mask=mask).logits
        assert torch.allclose(reference[mask.bool()], expected[mask.bool()], atol=1e-5)
        ours = roles.logits(roles.hidden("policy", ids, mask))
        assert not torch.allclose(ours, reference, atol=1e-3)
        roles.save_role("policy", tmp_path / "policy")
        pulled = PeftModel.from_pretrained(plain, str(tmp_path / "policy"))
        outside = pulled(input_ids=ids, attention_mask=mask).logits
        assert torch.allclose(ours[mask.bool()], outside[mask.bool()], atol=1e-5)
        right = roles.scores("reward-0", ids, mask)
        left = roles.scores("reward-0", *left_pad(sequences(roles)))
    assert torch.allclose(right, left, atol=1e-4)


@pytest.fixture
def roles(tiny_llama: Path) -> RoleModel:
    one = RoleModel(load_base(tiny_llama), load_tokenizer(tiny_llama))
    one.add_role("policy", LoRA(), head=False, seed=0)
    one.add_role("reward-0", LoRA(), head=True, seed=1)
    shaken(one, "reward-0")
    one.set_normalisation("reward-0", gain=1.5, shift=-0.25)
    return one


def test_log_probabilities_are_those_of_a_plain_forward_pass(roles: RoleModel) -> None:
    shaken(roles, "policy")
    ids, mask = right_pad(sequences(roles))
    response = mask.clone()
    response[:, :3] = 0
    hidden = roles.hidden("policy", ids, mask)
    told, entropy = response_logprobs_and_entropy(roles, hidden, ids, response, 0.7)
    roles.use("policy")
    with torch.no_grad():
        logits = roles.base(input_ids=ids, attention_mask=mask).logits / 0.7
    every = logits[:, :-1].log_softmax(-1)
    chosen = every.gather(-1, ids[:, 1:, None])[..., 0] * response[:, 1:]
    assert torch.allclose(told[:, 1:], chosen, atol=1e-5)
    spread = -(every.exp() * every).sum(-1) * response[:, 1:]
    assert torch.allclose(entropy[:, 1:], spread, atol=1e-4)


def test_a_score_is_read_at_the_last_attended_token_even_where_pad_is_end(roles: RoleModel) -> None:
    ids, mask = right_pad(sequences(roles))
    ends = ids.masked_fill(mask == 0, roles.tokenizer.eos_token_id)
    with torch.no_grad():
        alone = [roles.scores("reward-0", *right_pad([one]))[0] for one in sequences(roles)]
        assert torch.allclose(roles.scores("reward-0", ends, mask), torch.stack(alone), atol=1e-5)


@pytest.mark.slow
def test_a_reward_role_scores_the_same_in_another_process(
    roles: RoleModel, tiny_llama: Path, tmp_path: Path
) -> None:
    roles.save_role("reward-0", tmp_path / "role")
    with torch.no_grad():
        here = roles.scores("reward-0", *right_pad(sequences(roles))).tolist()
    script = (
        "import json, sys, torch\n"
        "from rlhf.models.base import load_base, load_tokenizer\n"
        "from rlhf.models.roles import RoleModel\n"
        "from rlhf.models.text import right_pad\n"
        "roles = RoleModel(load_base(sys.argv[1]), load_tokenizer(sys.argv[1]))\n"
        "roles.load_role('reward-0', sys.argv[2])\n"
        "ids = json.loads(sys.argv[3])\n"
        "print(json.dumps(roles.scores('reward-0', *right_pad(ids)).tolist()))\n"
    )
    command = [sys.executable, "-c", script, str(tiny_llama), str(tmp_path / "role")]
    told = subprocess.run(
        [*command, json.dumps(sequences(roles))], capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout.splitlines()[-1]) == pytest.approx(here, abs=1e-6)


@pytest.mark.parametrize("damage", ["head.safetensors", "head.json", "pickle", "base", "adapter"])
def test_a_role_that_is_not_whole_or_not_ours_is_refused(
    roles: RoleModel, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "role"
    roles.save_role("reward-0", folder)
    if damage == "pickle":
        (folder / "adapter_model.bin").write_bytes(b"x")
    elif damage == "base":
        told = json.loads((folder / "head.json").read_text())
        (folder / "head.json").write_text(json.dumps({**told, "base": "another"}))
    elif damage == "adapter":
        (folder / "adapter_model.safetensors").unlink()
    else:
        (folder / damage).unlink()
    with pytest.raises(ModelError, match=str(folder)):
        roles.load_role("again", folder)


@pytest.mark.parametrize(
    ("wanted", "adapted"), [("all", {0, 1}), ("top-half", {1}), (1, {1}), (9, {0, 1})]
)
def test_adapters_sit_in_the_layers_that_were_asked_for(
    tiny_llama: Path, wanted: Any, adapted: set[int]
) -> None:
    one = RoleModel(load_base(tiny_llama), load_tokenizer(tiny_llama))
    one.add_role("policy", LoRA(adapted_layers=wanted), head=False, seed=0)
    layers = {int(name.split("layers.")[1].split(".")[0]) for name, _ in one.trainable("policy")}
    assert layers == adapted


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", "config.json is missing"),
        ("model.safetensors", "no \\*.safetensors"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_a_folder_that_is_no_model_says_what_is_missing(
    tiny_llama: Path, tmp_path: Path, missing: str, words: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    (folder / missing).unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match=words):
        base_identity(folder)


def test_old_turns_are_dropped_before_new_ones(tiny_llama: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    turns = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "x" * 50},
        {"role": "assistant", "content": "y" * 50},
        {"role": "user", "content": "last"},
    ]
    kept = prompt_ids(tokenizer, turns, Sampling(max_prompt_tokens=40))
    assert kept == prompt_ids(tokenizer, [turns[0], turns[3]], Sampling())

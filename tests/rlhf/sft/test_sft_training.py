"""Fine-tuning on a tiny model: it learns, its figures are plain ones, a kill changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from rlhf.durable import file_digest
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.role_files import ADAPTER
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA
from rlhf.sft.training import mean_loss
from tests import killed_sft
from tests.killed_sft import SETTINGS, rows, train


def test_training_lowers_the_validation_loss_and_says_so(tiny_llama: Path, tmp_path: Path) -> None:
    fitted = train(tiny_llama, tmp_path / "work", tmp_path / "adapter")
    assert fitted.steps == fitted.steps_planned == 11
    assert fitted.validation_loss is not None
    assert fitted.validation_loss_before is not None
    assert fitted.validation_loss < fitted.validation_loss_before


def test_the_validation_loss_is_that_of_plain_transformers(tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama).requires_grad_(False)
    total, count = 0.0, 0
    some = rows(tiny_llama, 11)
    for row in some:
        logits = model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
        for place, label in enumerate(row.labels[1:]):
            if label != -100:
                total -= float(logits[place, label])
                count += 1
    assert mean_loss(load_base(tiny_llama), some) == pytest.approx(total / count, abs=1e-5)


def test_the_adapter_loads_in_plain_peft_and_as_a_policy_alike(
    tiny_llama: Path, tmp_path: Path
) -> None:
    train(tiny_llama, tmp_path / "work", tmp_path / "adapter")
    ids = torch.tensor([rows(tiny_llama, 1)[0].ids])
    plain = AutoModelForCausalLM.from_pretrained(tiny_llama)
    untouched = plain(ids).logits
    expected = PeftModel.from_pretrained(plain, str(tmp_path / "adapter"))(ids).logits
    roles = RoleModel(load_base(tiny_llama), load_tokenizer(tiny_llama))
    roles.load_role("policy", tmp_path / "adapter")
    ours = roles.logits(roles.hidden("policy", ids, torch.ones_like(ids)))
    assert torch.allclose(ours, expected, atol=1e-5)
    assert not torch.allclose(untouched, expected, atol=1e-2)


def test_an_adapter_folder_has_the_keys_that_a_role_writes(
    tiny_llama: Path, tmp_path: Path
) -> None:
    train(tiny_llama, tmp_path / "work", tmp_path / "adapter")
    roles = RoleModel(load_base(tiny_llama), load_tokenizer(tiny_llama))
    roles.add_role("policy", LoRA(r=4, alpha=8), head=False, seed=7)
    roles.save_role("policy", tmp_path / "role")
    ours, theirs = ((tmp_path / name / "adapter_config.json") for name in ("adapter", "role"))
    assert ours.read_text() == theirs.read_text()
    roles.load_role("policy", tmp_path / "adapter")


def test_training_ends_early_and_keeps_the_best_state(tiny_llama: Path, tmp_path: Path) -> None:
    wild = SETTINGS.model_copy(update={"learning_rate": 30.0, "evaluations": 11, "patience": 2})
    fitted = train(tiny_llama, tmp_path / "work", tmp_path / "adapter", wild)
    assert fitted.steps < fitted.steps_planned
    assert fitted.steps == fitted.best_step + 2
    base = load_base(tiny_llama)
    kept = PeftModel.from_pretrained(base, str(tmp_path / "adapter"))
    assert mean_loss(kept, rows(tiny_llama, 6, 100)) == pytest.approx(fitted.validation_loss)


@pytest.mark.slow
def test_a_training_killed_three_times_ends_in_the_same_bytes(
    tiny_llama: Path, tmp_path: Path
) -> None:
    unkilled = train(tiny_llama, tmp_path / "work", tmp_path / "adapter")
    again, target = tmp_path / "killed", tmp_path / "again"
    rng = Random(0)
    for least in (1, 4, 7):
        killed_at(tiny_llama, again, target, least + rng.randrange(3))
        assert not target.exists()
    fitted = train(tiny_llama, again, target)
    assert fitted.steps == 11
    assert fitted == unkilled, "its figures stand in the checkpoint, so they count as well"
    assert file_digest(target / ADAPTER) == file_digest(tmp_path / "adapter" / ADAPTER)


def killed_at(base: Path, folder: Path, target: Path, step: int) -> None:
    """Start a training in a process of its own and kill it when `step` is told."""
    command = [sys.executable, killed_sft.__file__, str(base), str(folder), str(target)]
    where = {**os.environ, "PYTHONPATH": str(Path(killed_sft.__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=where) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip().isdigit() and int(line) >= step:
                child.send_signal(signal.SIGKILL)
                break

"""`rlhf sft` through the front door: trained once, never twice, and a kill changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ray_jobs import sft_job, sft_sweep, tether
from ray_jobs.driver import Progress
from rlhf import registry
from rlhf.data.datasets import latest
from rlhf.durable import file_digest
from rlhf.errors import NotFound, UsageError
from rlhf.home import make_home
from rlhf.settings import Settings, load_settings
from rlhf.sft import job
from rlhf.store import checkpoints, open_store
from tests.killed_sft import examples
from tests.live_service import LOOK_S
from tests.sft_home import home_with_data

PLAIN = {"format": "pt"}
"""What transformers wants to read in a file of weights."""


def command(home: Path, *words: str) -> dict[str, Any]:
    """The keyword arguments that start a command on a home."""
    return {
        "args": [sys.executable, "-m", "rlhf.cli", *words],
        "env": {**os.environ, "RLHF_HOME": str(home)},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def rlhf(home: Path, *words: str) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        **command(home, *words), check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def trained(home: Path, base: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(rlhf(home, "sft", "--base", str(base), "--json"))
    return told


def prepared(home: Path) -> str:
    return home_with_data(home, examples(60), examples(8, 100))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> tuple[Path, Any]:
    """A home after its fine-tuning, and what was told."""
    home = tmp_path_factory.mktemp("sft") / "home"
    prepared(home)
    return home, trained(home, tiny_llama)


def quiet(done: int, total: int, text: str) -> None:
    """Nobody watches."""


def test_what_cannot_be_trained_is_said_before_anything_starts(
    home: Path, tiny_llama: Path
) -> None:
    make_home(home)
    asked = {"dataset": None, "base": str(tiny_llama)}
    with pytest.raises(UsageError, match="Run `rlhf clean` first"):
        sft_job.run(home, asked, quiet)
    with pytest.raises(NotFound, match="no data set's digest begins with 1234"):
        sft_job.run(home, {**asked, "dataset": "1234"}, quiet)
    prepared(home)
    with (
        sft_job.prepared(home, asked, quiet),
        pytest.raises(UsageError, match="another fine-tuning runs"),
    ):
        sft_job.run(home, asked, quiet)


def test_a_data_set_without_answers_is_refused(home: Path, tiny_llama: Path) -> None:
    unanswered = [replace(one, messages=one.messages[:1]) for one in examples(3)]
    home_with_data(home, unanswered, [])
    store = open_store(home)
    data = latest(store, home)
    store.close()
    with pytest.raises(UsageError, match="no answer or passage to learn from"):
        job.train(str(tiny_llama), data, home / "tmp" / "work", Settings(), quiet)


def test_without_validation_rows_the_last_weights_are_kept(home: Path, tiny_llama: Path) -> None:
    home_with_data(home, examples(20), [])
    store = open_store(home)
    data = latest(store, home)
    store.close()
    work = home / "tmp" / "work"
    figures = job.train(str(tiny_llama), data, work, load_settings(home), quiet)
    assert figures["best_step"] == figures["steps"] == 10
    assert figures["validation_loss"] is figures["perplexity"] is None
    assert job.train(str(tiny_llama), data, work, load_settings(home), quiet) == figures


def test_a_base_that_changed_under_an_unfinished_training_is_refused(
    home: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    base, weights = tmp_path / "base", tmp_path / "base" / "model.safetensors"
    shutil.copytree(tiny_llama, base)
    prepared(home)
    asked = {"dataset": None, "base": str(base)}
    with sft_job.prepared(home, asked, quiet) as work:
        folder = work.folder(sft_job.recipe_of(work.data, work.settings))
        with pytest.raises(KeyboardInterrupt):
            job.train(str(base), work.data, folder, work.settings, stopped_at(5))
    before, whole = weights.read_bytes(), snapshot(home)
    save_file({name: one + 1 for name, one in load_file(weights).items()}, weights, PLAIN)
    for how in (sft_job.run, sft_sweep.run):
        with pytest.raises(UsageError, match=r"has changed since .* put the old model back") as no:
            how(home, {**asked, "base": None}, quiet)
        assert no.value.exit_code == 2
        assert str(base) in str(no.value)
    assert snapshot(home) == whole, "the unfinished training is as it was"
    weights.write_bytes(before)
    with sft_job.prepared(home, asked, quiet) as work:
        steps: list[int] = []
        job.train(str(base), work.data, folder, work.settings, lambda done, *_: steps.append(done))
    assert min(filter(None, steps)) == 5, "it goes on after the state of step 4"


def stopped_at(step: int) -> Progress:
    """Somebody who presses Ctrl-C then."""

    def progress(done: int, total: int, text: str) -> None:
        if done == step:
            raise KeyboardInterrupt

    return progress


def snapshot(home: Path) -> dict[str, str]:
    """What is in the home's unfinished work, checkpoints and sweeps."""
    files = (one for part in ("tmp", "checkpoints", "sweeps") for one in home.glob(f"{part}/**/*"))
    return {str(one): file_digest(one) for one in files if one.is_file()}


@pytest.mark.slow
@pytest.mark.ray
def test_the_checkpoint_has_its_figures_and_its_origin(finished: tuple[Path, Any]) -> None:
    home, told = finished
    store = open_store(home)
    with store.read() as tx:
        made = checkpoints.resolve(tx, "v1")
        champion = checkpoints.resolve(tx, "champion")
    store.close()
    assert told["trained"]
    assert (told["version"], told["digest"]) == (1, made.digest)
    assert champion.version == 0
    assert made.lineage["sft"]["dataset"] == told["dataset"]
    assert made.lineage["sft"]["settings"]["lora"]["r"] == 4
    assert made.figures["rows"] == 60
    assert made.figures["validation_rows"] == 8
    assert made.figures["perplexity"] < made.figures["perplexity_before"]
    assert not list((home / "tmp").iterdir())


@pytest.mark.slow
@pytest.mark.ray
def test_the_same_again_trains_nothing_and_says_so(
    finished: tuple[Path, Any], tiny_llama: Path
) -> None:
    home, told = finished
    said = rlhf(home, "sft", "--base", str(tiny_llama))
    assert f"v1 ({told['digest'][:12]}) was made from this data set" in said
    assert "nothing was trained" in said


@pytest.mark.slow
@pytest.mark.ray
def test_a_killed_command_goes_on_to_the_same_checkpoint(
    finished: tuple[Path, Any], tiny_llama: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    prepared(home)
    with subprocess.Popen(**command(home, "sft", "--base", str(tiny_llama))) as child:
        patience = threading.Event()
        while child.poll() is None and not list(home.glob("tmp/sft-*/state-*")):
            patience.wait(LOOK_S)
        child.kill()
    tether.sweep(home)
    assert not list(home.glob("tmp/sft-*/figures.json"))
    assert trained(home, tiny_llama)["digest"] == finished[1]["digest"]


@pytest.mark.slow
@pytest.mark.ray
def test_the_checkpoint_becomes_the_base_as_a_plain_model(
    finished: tuple[Path, Any], tiny_llama: Path
) -> None:
    home, told = finished
    before = AutoModelForCausalLM.from_pretrained(tiny_llama)
    adapter = registry.checkpoint_path(home, told["digest"])
    new = json.loads(rlhf(home, "adopt", "v1", "--json"))
    after = AutoModelForCausalLM.from_pretrained(new["path"])
    ids = torch.arange(5, 30)[None]
    untuned = before(ids).logits
    before.load_adapter(str(adapter))
    assert torch.allclose(before(ids).logits, after(ids).logits, atol=1e-4)
    assert not torch.allclose(untuned, after(ids).logits, atol=1e-2)

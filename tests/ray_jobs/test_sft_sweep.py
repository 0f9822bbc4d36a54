"""`rlhf sft --sweep`: every trial is told, bad ones are cut, the best one is kept, never twice."""

from __future__ import annotations

import json
import math
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ray_jobs import tether
from rlhf.cli import main
from rlhf.store import checkpoints, open_store
from tests.killed_sft import examples
from tests.live_service import LOOK_S
from tests.ray_jobs.test_sft_job import command, rlhf
from tests.sft_home import home_with_data

SPACE = """[sft]
learning_rate = 3e-2
sweep_learning_rates = [1e-5, 1e-4]
sweep_ranks = [2]
sweep_epochs = [3]
sweep_batch_sizes = [4]
"""
"""The settings learn, what is drawn does not: it is worse at the first rung already."""
ASKED = ("sft", "--sweep", "--trials", "3", "--seed", "5")


def prepared(home: Path) -> None:
    home_with_data(home, examples(24), examples(6, 100))
    file = home / "rlhf.toml"
    file.write_text(
        file.read_text().replace("[sft]\n", SPACE).replace("workers = 1", "workers = 2")
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> tuple[Path, Any]:
    """A home after its sweep, and what was told."""
    home = tmp_path_factory.mktemp("sweep") / "home"
    prepared(home)
    return home, json.loads(rlhf(home, *ASKED, "--base", str(tiny_llama), "--json"))


@pytest.mark.slow
@pytest.mark.ray
def test_the_best_of_all_trials_becomes_the_checkpoint(swept: tuple[Path, Any]) -> None:
    home, told = swept
    first, *others = told["trials"]
    assert (first["learning_rate"], first["r"], first["epochs"]) == (3e-2, 4, 2)
    assert all(1e-5 <= one["learning_rate"] <= 1e-4 for one in others)
    best = min(told["trials"], key=lambda one: one["validation_loss"])
    assert best["best"]
    assert best["perplexity"] == pytest.approx(math.exp(best["validation_loss"]))
    assert told["validation_loss"] == best["validation_loss"]
    with Image.open(Path(told["folder"]) / "trials.png") as plot:
        assert plot.width > 400
    store = open_store(home)
    with store.read() as tx:
        made = checkpoints.resolve(tx, "v1")
    store.close()
    settings = made.lineage["sft"]["settings"]
    assert settings["seed"] == 5
    assert settings["sft"]["learning_rate"] == best["learning_rate"]
    assert settings["lora"]["r"] == best["r"]
    assert not list((home / "tmp").iterdir())


@pytest.mark.slow
@pytest.mark.ray
def test_trials_that_fall_behind_are_cut_at_the_first_rung(swept: tuple[Path, Any]) -> None:
    first, *others = swept[1]["trials"]
    assert first["finished"]
    assert first["steps"] == first["steps_planned"] == 12
    for one in others:
        assert not one["finished"]
        assert 25 <= 100 * one["steps"] / one["steps_planned"] < 50


@pytest.mark.slow
@pytest.mark.ray
def test_the_same_sweep_again_trains_nothing(swept: tuple[Path, Any]) -> None:
    again = rlhf(swept[0], *ASKED)
    assert "nothing was trained" in again
    assert "best" in again
    assert again.count("cut") == 2


@pytest.mark.slow
@pytest.mark.ray
def test_a_killed_sweep_goes_on_to_the_same_trials(
    swept: tuple[Path, Any], tiny_llama: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    prepared(home)
    with subprocess.Popen(**command(home, *ASKED, "--base", str(tiny_llama))) as child:
        patience = threading.Event()
        while child.poll() is None and not list(home.glob("tmp/sft-*/looks.json")):
            patience.wait(LOOK_S)
        child.kill()
    tether.sweep(home)
    assert not (home / "sweeps").exists()
    told = json.loads(rlhf(home, *ASKED, "--base", str(tiny_llama), "--json"))
    assert told["trials"] == swept[1]["trials"]
    assert told["digest"] == swept[1]["digest"]


def test_trials_without_a_sweep_are_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rlhf", "sft", "--trials", "3", "--home", str(home)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "add --sweep" in capsys.readouterr().err

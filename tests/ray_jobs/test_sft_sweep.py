"""`rlhf sft --sweep`: every trial is told, the best one is kept, and never twice."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from rlhf.store import checkpoints, open_store
from tests.killed_sft import examples
from tests.ray_jobs.test_sft_job import rlhf
from tests.sft_home import home_with_data

GRID = "[sft]\nsweep_learning_rates = [1e-3, 1e-2]\nsweep_ranks = [2]\n"


@pytest.mark.slow
@pytest.mark.ray
def test_the_best_of_all_trials_becomes_the_checkpoint(home: Path, tiny_llama: Path) -> None:
    home_with_data(home, examples(20), examples(6, 100))
    file = home / "rlhf.toml"
    file.write_text(file.read_text().replace("[sft]\n", GRID))
    told = json.loads(rlhf(home, "sft", "--sweep", "--base", str(tiny_llama), "--json"))
    assert [one["learning_rate"] for one in told["trials"]] == [1e-3, 1e-2]
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
    assert settings["sft"]["learning_rate"] == best["learning_rate"]
    assert (settings["lora"]["r"], settings["lora"]["alpha"]) == (2, 4)
    assert not list((home / "tmp").iterdir())
    again = rlhf(home, "sft", "--sweep")
    assert "nothing was trained" in again
    assert "best" in again

"""Our rounds: `rlhf demo` itself, in a home of its own, with some settings taken out."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlhf import registry
from rlhf.report import figures
from rlhf.settings import load_settings
from rlhf.store import checkpoints, metrics, open_store, rounds
from tests.benchmarks._study_form import Form
from tests.benchmarks._study_yardstick import cooler, worth

CREW = 8

VARIANTS = {
    "ours": "",
    "ours, one reward model": "reward.members = 1",
    "ours, no KL": "ppo.kl_coef = 0.0\nppo.kl_budget = 1000.0",
}
"""Name -> settings beside the seed and the number of ratings."""


def run(settings: str, seed: int, cell: Path, form: Form) -> list[dict[str, Any]]:
    """Every round's figures, with these lines of `rlhf.toml`; one that was stopped goes on."""
    home = cell / "home"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = home / "rlhf.toml"
    if not file.exists():
        file.write_text(
            f"seed = {seed}\nfeedback.comparisons_per_round = {form.votes}\n"
            f"feedback.ratings_per_round = {form.votes}\n{settings}"
        )
    asked = ["--rounds", str(form.rounds), "--comparisons", str(form.votes)]
    asked += ["--annotators", str(CREW), "--seed", str(seed)]
    command = [sys.executable, "-m", "rlhf.cli", "demo", "--home", str(home), *asked]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise SystemExit(f"{home}: {done.stderr[-2000:]}")
    return _rounds(home, seed, form.answers)


def _rounds(home: Path, seed: int, answers: int) -> list[dict[str, Any]]:
    store = open_store(home, load_settings(home).database)
    shown = figures(store)["rounds"]
    with store.read() as tx:
        known = rounds.all_rounds(tx)
        ways = [[_point(seen) for _, seen in metrics.metrics(tx, one.id)] for one in known]
        served = {one.digest: one.figures.get("temperature") for one in checkpoints.checkpoints(tx)}
    store.close()
    told: list[dict[str, Any]] = []
    known_worth: dict[str, dict[str, float]] = {}
    for one, row, way in zip(known, shown, ways, strict=True):
        digest = one.candidate if row["promoted"] else one.start_checkpoint
        assert digest is not None
        adapter = registry.checkpoint_path(home, digest)
        if digest not in known_worth:
            known_worth[digest] = asdict(worth(adapter, seed, answers))
        told.append(
            {
                "round": one.id,
                "promoted": row["promoted"],
                "votes": row["ratings"],
                "seconds": sum(row["seconds"].values()),
                "reasons": row["reasons"],
                "heard": row["heard"],
                "worth": known_worth[digest],
                "temperature": served[digest],
                "way": way,
            }
        )
    told[-1]["cooler"] = cooler(adapter, seed, answers)
    return told


def _point(seen: dict[str, float]) -> dict[str, float]:
    """Where an iteration's rollouts stand: nats from the reference, and two scores of them."""
    names = {"kl": "objective/kl", "proxy": "objective/scores", "holdout": "objective/holdout"}
    return {name: seen[column] for name, column in names.items()}

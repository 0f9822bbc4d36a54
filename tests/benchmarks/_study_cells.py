"""The study's cells: one method on one seed, run once and kept; and what a folder of them tells."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from tests.benchmarks import _study_ours, _study_peers
from tests.benchmarks._record import cell_name, once
from tests.benchmarks._study_form import Form
from tests.benchmarks._study_yardstick import cooler, worth

PEERS = {"TRL DPO": "dpo", "TRL RLOO": "rloo", "TRL 1.12.0 PPO": "ppo"}
METHODS = (*_study_ours.VARIANTS, *PEERS)
WORK = Path("build/study")
TRL = "trl==1.12.0"

Told = dict[str, dict[int, list[dict[str, Any]]]]
"""Method -> seed -> its rounds."""
Start = dict[int, dict[str, Any]]
"""Seed -> what the starter itself is worth on its prompts."""


FULL = Form("", METHODS, range(5), range(3), rounds=3, votes=400, answers=2000, settings="")
QUICK = Form(
    "quick",
    ("ours", "TRL DPO"),
    (0,),
    (0,),
    rounds=2,
    votes=200,
    answers=500,
    settings="ppo.iterations = 30\nevaluation.prompts = 150\nevaluation.answers = 2\n",
)


def found(cells: Path, rounds: int = FULL.rounds) -> tuple[Told, Start]:
    """What a folder of finished cells tells, in the order of METHODS."""
    told: Told = {}
    for method, seed in product(METHODS, FULL.seeds):
        file = cells / f"{cell_name(method, seed)}-{rounds}.json"
        if file.is_file():
            told.setdefault(method, {})[seed] = json.loads(file.read_text())
    return told, starters(told, cells, FULL)


def cell(method: str, seed: int, work: Path, cells: Path, form: Form) -> list[dict[str, Any]]:
    """Every round of a method on a seed; what was finished before is read."""

    def run() -> Any:
        mine = work / cell_name(method, seed)
        if method in _study_ours.VARIANTS:
            lines = f"{form.settings}{_study_ours.VARIANTS[method]}\n"
            return _study_ours.run(lines, seed, mine, form)
        trainer = PEERS[method]
        trl = _old_trl(work) if trainer == "ppo" else Path()
        rounds = _study_peers.rounds(trainer, seed, mine, form, trl)
        last = _study_peers.adapter(mine, form.rounds)
        rounds[-1]["cooler"] = cooler(last, seed, form.answers)
        return rounds

    told: list[dict[str, Any]] = once(cells / f"{cell_name(method, seed)}-{form.rounds}.json", run)
    return told


def starters(told: Told, cells: Path, form: Form) -> Start:
    """The starter itself on every seed that has a cell."""
    seeds = sorted({seed for by_seed in told.values() for seed in by_seed})
    return {seed: _starter(seed, cells, form) for seed in seeds}


def _starter(seed: int, cells: Path, form: Form) -> dict[str, Any]:
    def run() -> Any:
        return asdict(worth(None, seed, form.answers)) | {
            "cooler": cooler(None, seed, form.answers)
        }

    told: dict[str, Any] = once(cells / f"starter-{seed}.json", run)
    return told


def _old_trl(work: Path) -> Path:
    """The folder with TRL 1.12.0, installed without its dependencies."""
    folder = work / "trl"
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        subprocess.run([*pip, str(folder), TRL], check=True)
    return folder

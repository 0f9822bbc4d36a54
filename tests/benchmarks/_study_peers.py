"""The other methods' rounds: votes as ours, reward models as ours, TRL's trainers."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reward.ensemble import normalise
from reward.preferences import Answer
from reward.splits import Job as Member
from reward.splits import subsample
from rlhf.seeds import derived
from rlhf.settings import Reward
from rlhf.starter.world import prompts
from tests.benchmarks._child import child
from tests.benchmarks._reward_models import train, untouched
from tests.benchmarks._starter_pairs import answered
from tests.benchmarks._study_form import Form
from tests.benchmarks._study_trl import Job
from tests.benchmarks._study_votes import collect, keep, kept
from tests.benchmarks._study_yardstick import worth

REFERENCE = 256
"""Answers of the starter that set a reward model's gain and shift."""


def rounds(method: str, seed: int, cell: Path, form: Form, trl: Path) -> list[dict[str, Any]]:
    """Every round's figures; finished rounds are read, the others made."""
    told: list[dict[str, Any]] = []
    before: Path | None = None
    for number in range(1, form.rounds + 1):
        folder = adapter(cell, number).parent
        done = folder / "done.json"
        if not done.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            made = _round(method, seed, number, folder, before, form, trl)
            done.write_text(json.dumps(made))
        told.append(json.loads(done.read_text()))
        before = adapter(cell, number)
    return told


def adapter(cell: Path, number: int) -> Path:
    """Where a round leaves its policy."""
    return cell / f"round-{number}" / "adapter"


def _round(
    method: str,
    seed: int,
    number: int,
    folder: Path,
    before: Path | None,
    form: Form,
    trl: Path,
) -> dict[str, Any]:
    started = time.perf_counter()
    earlier = kept(before.parent / "votes.jsonl") if before else []
    keep([*earlier, *collect(before, form.votes, seed, number)], folder / "votes.jsonl")
    rewards = [] if method == "dpo" else _reward_models(folder, seed + number)
    job = Job(
        out=str(folder / "adapter"),
        start=str(before) if before and method != "dpo" else None,
        votes=str(folder / "votes.jsonl"),
        rewards=[str(one) for one in rewards],
        trl=str(trl),
        seed=seed,
    )
    (folder / "job.json").write_text(json.dumps(asdict(job)))
    child("_study_trl", [method, str(folder / "job.json")])
    seconds = time.perf_counter() - started
    return {
        "round": number,
        "votes": number * form.votes,
        "seconds": seconds,
        "worth": asdict(worth(folder / "adapter", seed, form.answers)),
    }


def _reward_models(folder: Path, seed: int) -> list[Path]:
    """An ensemble on samples of all votes so far, normalised as ours is."""
    rows = kept(folder / "votes.jsonl")
    jobs = []
    for number in range(Reward().members):
        name = f"reward-{number}"
        own = derived(seed, name) % 2**31
        jobs.append(Member(name, *subsample(rows, own), own))
    train(folder, jobs, None)
    roles, encoder = untouched()
    drawn = answered(prompts("train", REFERENCE, seed), 1, seed)
    reference = [Answer(one.prompt.messages, *one.answers[0][:2]) for one in drawn]
    for job in jobs:
        roles.load_role(job.name, folder / job.name)
        normalise(roles, job.name, encoder, reference)
        roles.save_role(job.name, folder / job.name)
    return [folder / job.name for job in jobs]

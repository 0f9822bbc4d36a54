"""Do reward models deserve trust? Accuracy, calibration, odd annotators, active pairs, memory.

    python -m tests.benchmarks.reward [--quick] [--json FILE]

The starter world, eight simulated annotators of whom one is careless and one left-biased, the
product's own training. Accuracy and calibration are measured on pairs of the starter's answers to
held-out prompts, in the order of gold: no verdict is involved. The quick form is one seed without
the active pairs.
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from reward import annotators, preferences, probe, splits
from reward.calibration import expected_calibration_error, reliability
from reward.ensemble import assemble
from reward.measures import Circumstances
from reward.preferences import Preference
from reward.report import RewardReport
from reward.scoring import Answer, Encoded, Encoder, differences
from reward.selection import choose, disagreement
from reward.splits import Job
from reward.training import train_member
from rlhf import starter
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA, Reward
from rlhf.starter.world import prompts
from tests.benchmarks._record import Goal, finish, parser
from tests.benchmarks._starter_pairs import SAMPLING, Answered, Raters, answered, noise_free

SEEDS, QUICK_SEEDS = range(5), range(1)
COMPARISONS, OVERLAP = 600, 1.3
HELDOUT_PROMPTS, ANSWERS, PAIRS = 900, 4, 3000
CLEAR = 0.5
"""Gold points by which the pairs of the accuracy goal differ."""
POOL = 2400
BATCH, MOST = 50, 800
TARGET = 0.85
"""Accuracy on clear pairs that active and uniform asking race to."""
ODD = {6, 7}
"""The careless and the left-biased one."""
CORES = 2

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Trust:
    """What one seed's ensemble is worth."""

    accuracy: float
    accuracy_all: float
    pairs: int
    calibration_error: float
    held_out: float
    ceiling: float
    odd: list[int]
    effective: float
    seconds: float


def main() -> None:
    """Run every part and hold it against its goal."""
    asked = parser(__doc__ or "").parse_args()
    seeds = QUICK_SEEDS if asked.quick else SEEDS
    known = answered(prompts("heldout", HELDOUT_PROMPTS, 0), ANSWERS, 0)
    heldout = noise_free(known, PAIRS, 0)
    told = []
    for seed in seeds:
        pool = answered(prompts("train", 2 * COMPARISONS, seed), 2, seed)
        told.append(trust(pool, heldout, seed))
        print(f"seed {seed} {told[-1]}", flush=True)
    figures: dict[str, Any] = {
        "trust": [asdict(one) for one in told],
        "accuracy": fmean(one.accuracy for one in told),
        "accuracy_all": fmean(one.accuracy_all for one in told),
    }
    found = sum(set(one.odd) == ODD for one in told)
    error = max(one.calibration_error for one in told)
    goals = [
        Goal("accuracy on clear pairs", figures["accuracy"], ">= 0.90", figures["accuracy"] >= 0.9),
        Goal("calibration error, worst seed", error, "<= 0.05", error <= 0.05),
        Goal("seeds with the two odd ones found", found, f"{len(told)}", found == len(told)),
    ]
    if not asked.quick:
        races = [race(heldout, seed) for seed in seeds]
        saved = 1 - median(one["active"] / one["uniform"] for one in races)
        figures["races"] = races
        goals.append(Goal(f"fewer comparisons to {TARGET}", saved, ">= 0.25", saved >= 0.25))
    finish("reward", figures, goals, asked.json)


def trust(pool: Sequence[Answered], heldout: Sequence[Preference], seed: int) -> Trust:
    """Rate, examine the annotators, train and assemble an ensemble as a round does; measure it."""
    started = time.perf_counter()
    raters = Raters(seed)
    different = [one for one in pool if any(True for _ in one.pairs())]
    for place, one in enumerate(different[:COMPARISONS]):
        twice = int((place + 1) * OVERLAP) - int(place * OVERLAP) == 2
        raters.rate(one, (0, 1), twice=twice)
    roles, encoder = _untouched()
    opinion = probe.opinion(roles, encoder, raters.rows)
    table = annotators.verdicts(raters.rows)
    settings = Reward()
    people = annotators.examine(table, opinion, floor=settings.weight_floor)
    weights = {one.annotator_id: one.weight for one in people}
    learned = preferences.build(raters.rows, margin_scale=settings.margin_scale, weights=weights)
    plan = splits.plan(learned.rows, settings)
    reference = [
        Answer(one.prompt.messages, one.answers[0][0], one.answers[0][1]) for one in pool[:256]
    ]
    circumstances = Circumstances(people, annotators.agreement(table, seed), round_id=1)
    with tempfile.TemporaryDirectory(prefix="reward-") as scratch:
        folder = Path(scratch)
        jobs = splits.jobs(plan, settings.members, seed)
        trained = _train(folder, jobs, plan)
        report: RewardReport = assemble(
            starter.MODEL_PATH,
            folder,
            trained,
            learned,
            plan,
            reference,
            circumstances,
            sampling=SAMPLING,
        )
        names = [one.name for one in report.members]
        by_member = _scored(folder, names, heldout)
    mean = by_member.mean(axis=0)
    clear = np.array([row.margin >= CLEAR for row in heldout])
    assert report.temperature is not None
    stated = expit(np.abs(mean[clear]) / report.temperature)
    return Trust(
        accuracy=float((mean[clear] > 0).mean()),
        accuracy_all=float((mean > 0).mean()),
        pairs=int(clear.sum()),
        calibration_error=expected_calibration_error(
            reliability(stated, (mean[clear] > 0).astype(np.float64))
        ),
        held_out=report.ensemble.value,
        ceiling=report.people.ceiling.value,
        odd=[one.annotator_id for one in people if one.odd],
        effective=learned.effective,
        seconds=time.perf_counter() - started,
    )


def race(heldout: Sequence[Preference], seed: int) -> dict[str, int]:
    """Comparisons after which each way of asking reaches TARGET on clear pairs; MOST if never."""
    pool = answered(prompts("train", POOL, seed), ANSWERS, seed)
    clear = [row for row in heldout if row.margin >= CLEAR][:2000]
    return {way: _asked_until(way, pool, clear, seed) for way in ("uniform", "active")}


def _asked_until(way: str, pool: Sequence[Answered], clear: Sequence[Preference], seed: int) -> int:
    raters, draw = Raters(seed), random.Random(seed)
    waiting = draw.sample([one for one in pool if any(True for _ in one.pairs())], len(pool) // 2)
    asked = 0
    rows: tuple[Preference, ...] = ()
    with tempfile.TemporaryDirectory(prefix="race-") as scratch:
        folder = Path(scratch)
        names: list[str] = []
        while asked < MOST:
            chosen = _next(way if names else "uniform", waiting, folder, names, rows, seed + asked)
            for one, pair in chosen:
                raters.rate(one, pair)
            done = {one.number for one, _ in chosen}
            waiting = [one for one in waiting if one.number not in done]
            asked += len(chosen)
            rows = preferences.build(raters.rows, margin_scale=0.0).rows
            jobs = [
                Job(f"reward-{number}", *splits.bootstrap(rows, seed + number), seed + number)
                for number in range(Reward().members)
            ]
            names = [job.name for job in jobs]
            _train(folder, jobs, None)
            accuracy = float((_scored(folder, names, clear).mean(axis=0) > 0).mean())
            print(f"seed {seed} {way} {asked} {accuracy:.3f}", flush=True)
            if accuracy >= TARGET:
                break
    return asked


def _next(
    way: str,
    waiting: Sequence[Answered],
    folder: Path,
    names: Sequence[str],
    asked: Sequence[Preference],
    seed: int,
) -> list[tuple[Answered, tuple[int, int]]]:
    """BATCH pairs of different prompts to ask about."""
    if way == "uniform":
        return [(one, next(one.pairs())) for one in waiting[:BATCH]]
    candidates = [(one, pair) for one in waiting[: 6 * BATCH] for pair in one.pairs()]
    rows = [_as_preference(one, pair) for one, pair in candidates]
    roles, encoder = _untouched()
    picks = choose(
        disagreement(_scored(folder, names, rows)),
        _states(roles, encoder.pairs(rows)),
        _states(roles, encoder.pairs(asked)),
        [one.number for one, _ in candidates],
        BATCH,
        seed=seed,
    )
    return [candidates[pick] for pick in picks]


def _states(roles: RoleModel, pairs: Sequence[Encoded]) -> Numbers:
    return probe.state_differences(roles, [(pair.chosen, pair.rejected) for pair in pairs])


def _as_preference(one: Answered, pair: tuple[int, int]) -> Preference:
    first, second = (one.answers[place] for place in pair)
    return Preference(
        prompt=one.prompt.messages,
        chosen=first[0],
        rejected=second[0],
        margin=0.0,
        prompt_id=one.number,
        rating_id=0,
        annotator_id=0,
        chosen_finished=first[1],
        rejected_finished=second[1],
    )


def _untouched() -> tuple[RoleModel, Encoder]:
    tokenizer = load_tokenizer(starter.MODEL_PATH)
    roles = RoleModel(load_base(starter.MODEL_PATH), tokenizer)
    roles.add_role("untouched", LoRA(), head=False, seed=0)
    return roles, Encoder(tokenizer, SAMPLING, longest=roles.context)


def _train(folder: Path, jobs: Sequence[Job], plan: splits.Plan | None) -> list[Any]:
    """Every job's report; as many at a time as there are cores, one thread each."""
    work = [(folder, job, plan.unseen(job.name) if plan else ()) for job in jobs]
    with multiprocessing.get_context("spawn").Pool(CORES, torch.set_num_threads, (1,)) as pool:
        return pool.map(_one, work, chunksize=1)


def _one(work: tuple[Path, Job, Sequence[Preference]]) -> Any:
    folder, job, unseen = work
    return train_member(
        starter.MODEL_PATH,
        job,
        unseen,
        folder / job.name,
        settings=Reward(),
        lora=LoRA(),
        sampling=SAMPLING,
    )


def _scored(folder: Path, names: Sequence[str], rows: Sequence[Preference]) -> Numbers:
    """[members, rows]: score of chosen less rejected, each member scaled to spread 1."""
    roles, encoder = _untouched()
    for name in names:
        roles.load_role(name, folder / name)
    pairs: list[Encoded] = encoder.pairs(rows)
    found = np.stack([differences(roles, name, pairs) for name in names])
    return np.asarray(found)


if __name__ == "__main__":
    main()

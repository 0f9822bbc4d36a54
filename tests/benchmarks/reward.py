"""Do reward models deserve trust? Accuracy, calibration, odd annotators, memory.

    python -m tests.benchmarks.reward [--quick] [--json FILE]

The starter world, eight simulated annotators of whom one is careless and one left-biased, the
product's own training. Accuracy and calibration are measured on pairs of the starter's answers to
held-out prompts, in the order of gold: no verdict is involved. Memory is that of a process which
scores 256 sequences with a random Llama of the 135m shape. The quick form is one seed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from scipy.special import expit

from reward import annotators, preferences, probe, splits
from reward.calibration import expected_calibration_error, reliability
from reward.circumstances import Circumstances
from reward.ensemble import assemble
from reward.preferences import Answer, Preference
from reward.report import RewardReport
from rlhf import starter
from rlhf.settings import Reward
from rlhf.starter.world import prompts
from tests.benchmarks._child import child
from tests.benchmarks._ppo_work import SHAPES, make_model
from tests.benchmarks._record import Goal, finish, parser
from tests.benchmarks._reward_models import scored, train, untouched
from tests.benchmarks._starter_pairs import SAMPLING, Answered, Raters, answered, noise_free

SEEDS, QUICK_SEEDS = range(5), range(1)
COMPARISONS, OVERLAP = 600, 1.3
HELDOUT_PROMPTS, ANSWERS, PAIRS = 900, 4, 3000
CLEAR = 0.5
"""Gold points by which the pairs of the accuracy goal differ."""
ODD = {6, 7}
"""The careless and the left-biased one."""
SHAPE, TURNS = "135m", 3


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
    figures["memory"] = memory()
    more = figures["memory"]["4"] / figures["memory"]["1"] - 1
    goals.append(Goal("memory of scoring with 4 over 1, less 1", more, "<= 0.15", more <= 0.15))
    finish("reward", figures, goals, asked.json)


def trust(pool: Sequence[Answered], heldout: Sequence[Preference], seed: int) -> Trust:
    """Rate, examine the annotators, train and assemble an ensemble as a round does; measure it."""
    started = time.perf_counter()
    raters = Raters(seed)
    different = [one for one in pool if any(True for _ in one.pairs())]
    for place, one in enumerate(different[:COMPARISONS]):
        twice = int((place + 1) * OVERLAP) - int(place * OVERLAP) == 2
        raters.rate(one, (0, 1), twice=twice)
    roles, encoder = untouched()
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
        trained = train(folder, jobs, plan)
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
        by_member = scored(folder, names, heldout)
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


def memory() -> dict[str, float]:
    """GiB by number of members: the median of processes that take turns."""
    peaks: dict[str, list[float]] = {"1": [], "4": []}
    with tempfile.TemporaryDirectory(prefix="shape-") as scratch:
        make_model(Path(scratch), SHAPES[SHAPE])
        for _ in range(TURNS):
            for members, seen in peaks.items():
                seen.append(child("_scoring_memory", [SHAPE, scratch, members])["gib"])
    return {members: median(seen) for members, seen in peaks.items()}


if __name__ == "__main__":
    main()

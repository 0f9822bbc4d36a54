"""Which pairs to ask: how many comparisons each way needs until the ensemble is good."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from reward import preferences, probe, splits
from reward.preferences import Preference
from reward.scoring import Encoded
from reward.selection import choose, disagreement
from reward.splits import Job
from rlhf.models.roles import RoleModel
from rlhf.settings import Reward
from rlhf.starter.world import prompts
from tests.benchmarks._reward_models import Numbers, scored, train, untouched
from tests.benchmarks._starter_pairs import Answered, Raters, answered

POOL, ANSWERS = 2400, 4
BATCH, MOST = 50, 800
TARGET = 0.85
"""Accuracy on clear pairs that active and uniform asking race to."""
JUDGED = 2000


def race(clear: Sequence[Preference], seed: int) -> dict[str, list[float]]:
    """Accuracy on JUDGED of the pairs `clear` after every BATCH comparisons, by way of asking.

    A way ends at TARGET, or at MOST comparisons.
    """
    pool = answered(prompts("train", POOL, seed), ANSWERS, seed)
    return {way: _curve(way, pool, clear[:JUDGED], seed) for way in ("uniform", "active")}


def needed(curve: Sequence[float]) -> int:
    """Comparisons until TARGET; MOST where it was never reached."""
    return len(curve) * BATCH


def _curve(
    way: str, pool: Sequence[Answered], clear: Sequence[Preference], seed: int
) -> list[float]:
    raters, draw = Raters(seed), random.Random(seed)
    waiting = draw.sample([one for one in pool if any(True for _ in one.pairs())], len(pool) // 2)
    rows: tuple[Preference, ...] = ()
    reached: list[float] = []
    with tempfile.TemporaryDirectory(prefix="race-") as scratch:
        folder = Path(scratch)
        names: list[str] = []
        while needed(reached) < MOST and (not reached or reached[-1] < TARGET):
            chosen = _next(way if names else "uniform", waiting, folder, names, rows, len(reached))
            for one, pair in chosen:
                raters.rate(one, pair)
            done = {one.number for one, _ in chosen}
            waiting = [one for one in waiting if one.number not in done]
            rows = preferences.build(raters.rows, margin_scale=0.0).rows
            jobs = [
                Job(f"reward-{number}", *splits.bootstrap(rows, seed + number), seed + number)
                for number in range(Reward().members)
            ]
            names = [job.name for job in jobs]
            train(folder, jobs, None)
            reached.append(float((scored(folder, names, clear).mean(axis=0) > 0).mean()))
            print(f"seed {seed} {way} {needed(reached)} {reached[-1]:.3f}", flush=True)
    return reached


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
    roles, encoder = untouched()
    picks = choose(
        disagreement(scored(folder, names, rows)),
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

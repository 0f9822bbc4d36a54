"""Which pairs to ask about: how many comparisons do reward models need, by way of asking?

    python -m tests.benchmarks.asking [--quick] [--seeds N ...] [--work FOLDER] [--json FILE]

The starter world and eight simulated annotators, of whom one is careless and one left-biased. One
way draws its pairs uniformly, the other chooses as the product does, once there is an ensemble to
choose by. After every twenty comparisons one is trained from nothing and orders noise-free pairs of
the starter's answers to held-out prompts; a way ends when it orders them well enough.

FOLDER keeps every finished way of a seed, so that a race that was stopped goes on. The quick form
is one seed.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

from reward import preferences, splits
from reward.preferences import Preference
from reward.scoring import Encoded
from reward.selection import choose, disagreement
from reward.splits import Job
from reward.states import state_differences
from rlhf.models.roles import RoleModel
from rlhf.settings import Reward
from rlhf.starter.world import prompts
from tests.benchmarks._record import Goal, finish, once, resumable
from tests.benchmarks._reward_models import Numbers, scored, train, untouched
from tests.benchmarks._starter_pairs import Answered, Raters, answered, noise_free

SEEDS = range(5)
WAYS = ("uniform", "active")
POOL, ANSWERS = 1200, 4
SEEN = 200
"""Prompts among whose pairs the active way chooses."""
STEP, MOST = 20, 400
TARGET = 0.85
"""Accuracy on clear pairs that both ways race to."""
HELDOUT_PROMPTS, PAIRS, JUDGED = 900, 3000, 1000
CLEAR = 0.5
"""Gold points by which the judged pairs differ."""
WORK = Path("build/asking")


def main() -> None:
    """Run every way that is not there yet, and tell what active asking saves."""
    asked = resumable(__doc__ or "", WORK, "finished ways")
    seeds = asked.seeds or (SEEDS[:1] if asked.quick else SEEDS)
    known = answered(prompts("heldout", HELDOUT_PROMPTS, 0), ANSWERS, 0)
    clear = [row for row in noise_free(known, PAIRS, 0) if row.margin >= CLEAR][:JUDGED]
    told: dict[str, dict[int, list[float]]] = {way: {} for way in WAYS}
    for seed in seeds:
        for way in WAYS:
            run = partial(_accuracies, way, clear, seed)
            told[way][seed] = once(asked.work / f"{way}-{seed}.json", run)
            steps = ", ".join(f"{one:.3f}" for one in told[way][seed])
            print(f"{way}, seed {seed}: {steps}: {needed(told[way][seed]):.0f}", flush=True)
    means = {way: fmean(map(needed, told[way].values())) for way in WAYS}
    print("comparisons needed: " + ", ".join(f"{way} {mean:.0f}" for way, mean in means.items()))
    saved = 1 - means["active"] / means["uniform"]
    goal = Goal(f"fewer comparisons to {TARGET}", saved, ">= 0.25", saved >= 0.25)
    finish("asking", {"accuracies": told, "needed": means}, [goal], asked.json)


def needed(accuracies: Sequence[float]) -> float:
    """Comparisons until TARGET, along a straight line within the last step; MOST, if never.

    No comparisons at all are right in half of the pairs.
    """
    before, reached = (0.5, *accuracies)[-2:]
    if reached < TARGET:
        return MOST
    return STEP * (len(accuracies) - 1 + (TARGET - before) / (reached - before))


def _accuracies(way: str, clear: Sequence[Preference], seed: int) -> list[float]:
    """On the pairs `clear`, after every STEP comparisons."""
    pool = answered(prompts("train", POOL, seed), ANSWERS, seed)
    waiting = [one for one in pool if any(True for _ in one.pairs())]
    random.Random(seed).shuffle(waiting)
    raters = Raters(seed)
    rows: tuple[Preference, ...] = ()
    names: list[str] = []
    reached: list[float] = []
    with tempfile.TemporaryDirectory(prefix="asking-") as scratch:
        folder = Path(scratch)
        while len(reached) * STEP < MOST and (not reached or reached[-1] < TARGET):
            asked = _next(way, waiting, folder, names, rows)
            for one, pair in asked:
                raters.rate(one, pair)
            done = {one.number for one, _ in asked}
            waiting = [one for one in waiting if one.number not in done]
            rows = preferences.build(raters.rows, margin_scale=0.0).rows
            jobs = [
                Job(f"reward-{number}", *splits.subsample(rows, seed + number), seed + number)
                for number in range(Reward().members)
            ]
            names = [job.name for job in jobs]
            train(folder, jobs, None)
            reached.append(float((scored(folder, names, clear).mean(axis=0) > 0).mean()))
    return reached


def _next(
    way: str,
    waiting: Sequence[Answered],
    folder: Path,
    names: Sequence[str],
    asked: Sequence[Preference],
) -> list[tuple[Answered, tuple[int, int]]]:
    """STEP pairs of different prompts to ask about."""
    if way == "uniform" or not names:
        return [(one, next(one.pairs())) for one in waiting[:STEP]]
    candidates = [(one, pair) for one in waiting[:SEEN] for pair in one.pairs()]
    rows = [_as_preference(one, pair) for one, pair in candidates]
    roles, encoder = untouched()
    picks = choose(
        disagreement(scored(folder, names, rows)),
        _states(roles, encoder.pairs(rows)),
        _states(roles, encoder.pairs(asked)),
        [one.number for one, _ in candidates],
        STEP,
    )
    return [candidates[pick] for pick in picks]


def _states(roles: RoleModel, pairs: Sequence[Encoded]) -> Numbers:
    return state_differences(roles, [(pair.chosen, pair.rejected) for pair in pairs])


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


if __name__ == "__main__":
    main()

"""What people said in the contests of an evaluation: win rates and strengths, as they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from rlhf.evaluation.strength import strengths
from rlhf.evaluation.winrate import WinRate, win_rate
from rlhf.store.contests import Contest


def by_people(
    told: Sequence[Contest], checkpoints: Sequence[str], *, resamples: int, seed: int
) -> dict[str, Any]:
    """The `people` of a report: how many contests are rated, and who won them.

    A contest that several people rated goes to the majority. `win_rates` has every pair of places
    in `checkpoints` that was rated, `strengths` one entry per checkpoint, or is None before the
    first rating.
    """
    rated = [one for one in told if one.preferred]
    outcomes = [(*_places(one, checkpoints), one.outcome(one.first)) for one in rated]
    rates = []
    for first, second in combinations(range(len(checkpoints)), 2):
        both = {checkpoints[first], checkpoints[second]}
        mine = [one for one in rated if {one.first, one.second} == both]
        if mine:
            rate = preferred(mine, checkpoints[first], resamples=resamples, seed=seed)
            rates.append({"first": first, "second": second, **asdict(rate)})
    wins = np.zeros((len(outcomes), len(checkpoints), len(checkpoints)))
    for row, (first, second, outcome) in enumerate(outcomes):
        wins[row, first, second] = (np.sign(outcome) + 1) / 2
        wins[row, second, first] = 1 - wins[row, first, second]
    return {
        "asked": len(told),
        "rated": len(rated),
        "outstanding": len(told) - len(rated),
        "verdicts": sum(len(one.preferred) for one in told),
        "win_rates": rates,
        "strengths": [asdict(one) for one in strengths(wins, resamples=resamples, seed=seed)]
        if outcomes
        else None,
    }


def preferred(told: Sequence[Contest], checkpoint: str, *, resamples: int, seed: int) -> WinRate:
    """How often people preferred one of the two checkpoints of rated contests; ties count half."""
    outcomes = [one.outcome(checkpoint) for one in told]
    return win_rate(outcomes, [0.0] * len(outcomes), resamples=resamples, seed=seed)


def _places(one: Contest, checkpoints: Sequence[str]) -> tuple[int, int]:
    return checkpoints.index(one.first), checkpoints.index(one.second)

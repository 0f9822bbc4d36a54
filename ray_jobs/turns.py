"""Lets trials that run at the same time be judged as if they ran one after another.

Successive halving compares a trial with those that came as far before it. Which ones those are
would depend on who is faster; so a trial waits here until every earlier one has been judged at the
same rung, or has ended. Imports nothing heavy: it starts at once.
"""

from __future__ import annotations

from collections import defaultdict


class Turns:
    """How far every trial was judged, in percent of its training; a Ray actor.

    Trials are numbered in the order in which they start, so the lowest that runs never waits.
    """

    def __init__(self) -> None:
        self._judged: defaultdict[int, int] = defaultdict(int)

    def judged(self, trial: int, percent: int) -> None:
        """A trial may go on past `percent`; 100 when it ended, however that was."""
        self._judged[trial] = max(self._judged[trial], percent)

    def may(self, trial: int, rung: int) -> bool:
        """Whether all earlier trials were judged at `rung` percent."""
        return all(self._judged[earlier] >= rung for earlier in range(trial))

"""The round's state machine: which step comes next, who does it, and what ends a round.

Pure: no clock, no database, no processes. `rlhf/store/rounds.py` remembers where a round stands,
`ray_jobs/controller.py` moves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a round stands. The value is what the database and the pages show."""

    COMPARISONS = "comparisons"
    """The champion answers prompts; pairs of different answers are queued for people."""
    COLLECTING = "collecting"
    """People rate. Ends by itself when enough new ratings exist, or when an operator says so."""
    MANIFEST = "manifest"
    """All valid ratings so far are frozen as an ordered, hashed list."""
    REWARD = "reward"
    """Reward members and the hold-out train on the manifest."""
    REWARD_GATE = "reward_gate"
    """The ensemble must deserve trust before PPO may use it."""
    PPO = "ppo"
    """Workers roll out, score and update a candidate that starts as the champion."""
    EVALUATION = "evaluation"
    """Candidate and champion answer held-out prompts."""
    GATE = "gate"
    """The candidate must win, without having gone too far to do so."""
    PROMOTION = "promotion"
    """The alias `champion` moves to the candidate."""
    PROMOTED = "promoted"
    REFUSED = "refused"
    FAILED = "failed"


STEPS = (
    State.COMPARISONS,
    State.COLLECTING,
    State.MANIFEST,
    State.REWARD,
    State.REWARD_GATE,
    State.PPO,
    State.EVALUATION,
    State.GATE,
    State.PROMOTION,
)
"""The states in which something is done, in order."""

RUNNER_STEPS = frozenset({State.COMPARISONS, State.REWARD, State.PPO, State.EVALUATION})
"""Steps that compute: each runs as a process of its own with Ray; the controller does the rest."""

ENDED = frozenset({State.PROMOTED, State.REFUSED, State.FAILED})
CAN_REFUSE = frozenset({State.REWARD_GATE, State.GATE, State.PROMOTION})
"""Both gates, and a promotion that finds the alias moved by somebody else."""

MAX_ATTEMPTS = 3
"""A step that failed this often ends its round; killed attempts count as well."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A gate's verdict: whether to go on, and every reason in words with its number."""

    passed: bool
    reasons: tuple[str, ...]


def after(state: State, *, passed: bool = True) -> State:
    """The state that follows a finished step; one that did not pass refuses the round.

    Raises ValueError for a round that has ended.
    """
    if state in ENDED:
        raise ValueError(f"a round that is {state} has no next step")
    if not passed:
        if state not in CAN_REFUSE:
            raise ValueError(f"{state} cannot refuse a round")
        return State.REFUSED
    if state is State.PROMOTION:
        return State.PROMOTED
    return STEPS[STEPS.index(state) + 1]

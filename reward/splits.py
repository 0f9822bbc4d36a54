"""Who may see which conversation: the members, the hold-out model, or nobody (the held-out pairs).

By the conversation that a prompt was cut from, through a hash, so that it stays where it is in
every later round and nothing that was once held out is ever trained on.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reward.preferences import Preference
from reward.report import HOLDOUT
from rlhf.seeds import derived
from rlhf.settings import Reward

STOPPING_SHARE = 0.5
"""Share of the members' conversations by which the hold-out's training stops."""
SEEN_SHARE = 0.8
"""Share of the members' conversations that one member learns from; it stops by the others."""

Part = Literal["members", "holdout", "heldout"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Three sets of preferences without a common conversation."""

    members: tuple[Preference, ...]
    holdout: tuple[Preference, ...]
    heldout: tuple[Preference, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Preferences per part."""
        return {
            "members": len(self.members),
            "holdout": len(self.holdout),
            "heldout": len(self.heldout),
        }

    def unseen(self, name: str) -> tuple[Preference, ...]:
        """The preferences on prompts that the model `name` is not trained on, to measure it.

        The hold-out's rows are as new to the members as the held-out ones, and those of the
        members' that it does not stop by are as new to it: with few ratings, that triples the
        pairs behind an accuracy.
        """
        if name != HOLDOUT:
            return (*self.heldout, *self.holdout)
        return (*self.heldout, *(row for row in self.members if not _watched(row)))


@dataclass(frozen=True, slots=True)
class Job:
    """One reward model to train: its role name, its rows, and rows that tell when to stop."""

    name: str
    rows: tuple[Preference, ...]
    stopping: tuple[Preference, ...]
    seed: int


def part_of(group: str, settings: Reward) -> Part:
    """Where a conversation falls.

    `heldout_share` of the conversations measure, `holdout_model_share` of the others train the
    hold-out model, the rest train the members. The shares hold on average: each conversation
    falls by its own hash, whatever else is rated.
    """
    if _unit("heldout", group) < settings.heldout_share:
        return "heldout"
    if _unit("holdout", group) < settings.holdout_model_share:
        return "holdout"
    return "members"


def plan(rows: Sequence[Preference], settings: Reward) -> Plan:
    """Divide preferences by conversation.

    What only measures (the protected stream, prompts that the policy is evaluated on) is held
    out whatever its hash says, and so is all else of its conversation.
    """
    kept = {row.group for row in rows if row.purpose == "evaluation" or row.split == "heldout"}
    parts: dict[Part, list[Preference]] = {"members": [], "holdout": [], "heldout": []}
    for row in rows:
        parts["heldout" if row.group in kept else part_of(row.group, settings)].append(row)
    return Plan(**{name: tuple(part) for name, part in parts.items()})


def jobs(plan: Plan, members: int, seed: int) -> tuple[Job, ...]:
    """The reward models of a round: members on samples of their own, then the hold-out on its rows.

    A member stops by the conversations that its sample misses; the hold-out trains on all its rows
    and stops by a share of the members'. Every job has a seed of its own,
    derived from `seed` and its name; none at all when a part is empty, which the gate turns into
    a refusal.
    """
    if not all(plan.sizes.values()):
        return ()
    ensemble = [
        _member(f"reward-{index}", plan.members, _seed(seed, f"reward-{index}"))
        for index in range(members)
    ]
    watched = tuple(row for row in plan.members if _watched(row))
    return (*ensemble, Job(HOLDOUT, plan.holdout, watched, _seed(seed, HOLDOUT)))


def subsample(
    rows: Sequence[Preference], seed: int
) -> tuple[tuple[Preference, ...], tuple[Preference, ...]]:
    """(sample, what it misses): SEEN_SHARE of the conversations, drawn without replacement.

    All pairs of a conversation stay together. Subagging (Buehlmann and Yu, 2002): of a few hundred
    noisy preferences, a bootstrap sample wastes too many (docs/lab.md).
    """
    groups = _grouped(rows)
    names = list(groups)
    random.Random(seed).shuffle(names)
    seen = max(1, round(SEEN_SHARE * len(names)))
    return (
        tuple(row for name in names[:seen] for row in groups[name]),
        tuple(row for name in names[seen:] for row in groups[name]),
    )


def _member(name: str, rows: Sequence[Preference], seed: int) -> Job:
    return Job(name, *subsample(rows, seed), seed)


def _watched(row: Preference) -> bool:
    """Whether the hold-out's training stops by a row of the members."""
    return _unit("watched", row.group) < STOPPING_SHARE


def _grouped(rows: Sequence[Preference]) -> dict[str, list[Preference]]:
    groups: dict[str, list[Preference]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    return groups


def _unit(purpose: str, key: str) -> float:
    """A number in [0, 1) that depends on the conversation alone, independent between purposes."""
    digest = hashlib.sha256(f"reward:{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _seed(seed: int, name: str) -> int:
    """Below 2^31, because NumPy takes no more."""
    return derived(seed, name) % 2**31

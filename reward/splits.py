"""Who may see which prompt: the members, the hold-out model, or nobody (the held-out pairs).

By prompt, through a hash, so that a prompt stays where it is in every later round and nothing
that was once held out is ever trained on.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from reward.preferences import Preference
from rlhf.seeds import derived
from rlhf.settings import Reward

HOLDOUT = "holdout"


@dataclass(frozen=True, slots=True)
class Plan:
    """Three sets of preferences without a common prompt."""

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

        The hold-out's rows are as new to the members as the held-out ones, and the members' to
        it: with few ratings, that triples the pairs behind an accuracy.
        """
        return (*self.heldout, *(self.members if name == HOLDOUT else self.holdout))


@dataclass(frozen=True, slots=True)
class Job:
    """One reward model to train: its role name, its rows and its seed."""

    name: str
    rows: tuple[Preference, ...]
    seed: int


def plan(rows: Sequence[Preference], settings: Reward) -> Plan:
    """Divide preferences by prompt.

    `heldout_share` of the prompts measure, `holdout_model_share` of the others train the
    hold-out model, the rest train the members. The shares hold on average over prompts: each
    prompt falls by its own hash, whatever else is rated.
    """
    parts: dict[str, list[Preference]] = {"members": [], "holdout": [], "heldout": []}
    for row in rows:
        key = row.prompt_key
        if _unit("heldout", key) < settings.heldout_share:
            parts["heldout"].append(row)
        elif _unit("holdout", key) < settings.holdout_model_share:
            parts["holdout"].append(row)
        else:
            parts["members"].append(row)
    return Plan(**{name: tuple(part) for name, part in parts.items()})


def jobs(plan: Plan, members: int, seed: int) -> tuple[Job, ...]:
    """The reward models of a round: bootstrap members, then the hold-out on all its rows.

    Every job has a seed of its own, derived from `seed` and its name; none at all when a part
    is empty, which the gate turns into a refusal.
    """
    if not all(plan.sizes.values()):
        return ()
    names = [f"reward-{index}" for index in range(members)]
    ensemble = [
        Job(name, bootstrap(plan.members, derived), derived)
        for name in names
        for derived in [_seed(seed, name)]
    ]
    return (*ensemble, Job(HOLDOUT, plan.holdout, _seed(seed, HOLDOUT)))


def bootstrap(rows: Sequence[Preference], seed: int) -> tuple[Preference, ...]:
    """As many rows, drawn with replacement (Efron, 1979): members that err differently."""
    return tuple(random.Random(seed).choices(rows, k=len(rows)))


def _unit(purpose: str, key: str) -> float:
    """A number in [0, 1) that depends on the prompt alone, independent between purposes."""
    digest = hashlib.sha256(f"reward:{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _seed(seed: int, name: str) -> int:
    """Below 2^31, because NumPy takes no more."""
    return derived(seed, name) % 2**31

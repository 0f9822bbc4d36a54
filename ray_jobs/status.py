"""`rlhf status`: where things are, from the database alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlhf import report
from rlhf.home import existing_home, service_runs
from rlhf.settings import load_settings
from rlhf.store import (
    checkpoints,
    comparisons,
    facts,
    manifests,
    open_store,
    people,
    prompts,
    rounds,
)


def describe(home: Path) -> dict[str, Any]:
    """Service, loop, queue, people and aliases. Raises UsageError where no service lives."""
    settings = load_settings(existing_home(home))
    store = open_store(home, settings.database)
    with store.read() as tx:
        current = rounds.current_round(tx)
        told = {
            "home": str(home),
            "running": service_runs(home),
            "base": (facts.get(tx, "base") or {}).get("path"),
            "round": _round(current),
            "ratings": {
                "new": manifests.new_ratings_since(tx, manifests.latest(tx)),
                "needed": settings.feedback.ratings_per_round,
            },
            "queue": comparisons.counts(tx),
            "prompts": prompts.count_prompts(tx),
            "people": [{"name": one.name, "role": one.role} for one in people.people(tx)],
            "aliases": checkpoints.aliases(tx),
        }
    told["rounds"] = report.figures(store)["rounds"] if told["aliases"] else []
    store.close()
    return told


def _round(current: rounds.Round | None) -> dict[str, Any] | None:
    if current is None:
        return None
    return {"number": current.id, "state": current.state, "progress": current.progress}

"""The state of a running PPO round on disk: safetensors and JSON, whole or not at all.

After every iteration a new folder is written, synced and renamed; then the one before it goes. A
killed run finds the newest complete folder and goes on with the iteration after it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhf.durable import move_into_place

TENSORS, META = "state.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """Training state after `iteration` iterations, and what the driver wants to remember."""

    iteration: int
    tensors: bytes
    """As safetensors."""
    meta: dict[str, Any]
    driver: dict[str, Any]


def save(folder: Path, state: Saved) -> None:
    """Make `state` the newest one in `folder`, durably, then drop the older ones."""
    final = folder / f"iteration-{state.iteration:06d}"
    fresh = folder / f".{final.name}.new"
    for stale in (fresh, final):
        shutil.rmtree(stale, ignore_errors=True)
    fresh.mkdir()
    (fresh / TENSORS).write_bytes(state.tensors)
    plain = {"iteration": state.iteration, "meta": state.meta, "driver": state.driver}
    (fresh / META).write_text(json.dumps(plain), encoding="utf-8")
    move_into_place(fresh, final)
    for older in _states(folder)[:-1]:
        shutil.rmtree(older)


def newest(folder: Path) -> Saved | None:
    """The newest complete state, or None when no iteration was finished."""
    states = _states(folder)
    if not states:
        return None
    plain = json.loads((states[-1] / META).read_text(encoding="utf-8"))
    return Saved(
        iteration=plain["iteration"],
        tensors=(states[-1] / TENSORS).read_bytes(),
        meta=plain["meta"],
        driver=plain["driver"],
    )


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("iteration-*"))

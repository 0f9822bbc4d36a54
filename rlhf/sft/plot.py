"""The trials of a sweep as a picture: validation loss over learning rate, a line per rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw(trials: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write a PNG; each trial has learning_rate, r, validation_loss and best."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for rank in sorted({one["r"] for one in trials}):
        line = sorted((t["learning_rate"], t["validation_loss"]) for t in trials if t["r"] == rank)
        axes.plot(*zip(*line, strict=True), marker="o", label=f"rank {rank}")
    best = next(one for one in trials if one["best"])
    axes.plot(best["learning_rate"], best["validation_loss"], "k*", markersize=14, label="best")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("validation loss, nats per token")
    axes.legend()
    figure.savefig(file, dpi=120)

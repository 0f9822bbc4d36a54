"""The trials of a sweep as a picture: where the losses ended, and how they came there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw(trials: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write a PNG; each trial has learning_rate, r, validation_loss, finished, looks and best.

    Left, a mark per trial, hollow where it was cut; right, a line each over its looks, which are
    (percent of the planned steps, lowest loss so far).
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    ends, ways = figure.subplots(1, 2, sharey=True)
    ranks = sorted({one["r"] for one in trials})
    colours = {rank: f"C{place}" for place, rank in enumerate(ranks)}
    for one in trials:
        colour = colours[one["r"]]
        face = colour if one["finished"] else "none"
        ends.plot(one["learning_rate"], one["validation_loss"], "o", color=colour, mfc=face)
        if one["looks"]:
            ways.plot(*zip(*one["looks"], strict=True), color=colour, marker=".")
    best = next(one for one in trials if one["best"])
    ends.plot(best["learning_rate"], best["validation_loss"], "k*", markersize=14, label="best")
    for rank in ranks:
        ends.plot([], [], "o", color=colours[rank], label=f"rank {rank}")
    ends.plot([], [], "o", color="grey", mfc="none", label="cut early")
    ends.set_xscale("log")
    ends.set_xlabel("learning rate")
    ends.tick_params(axis="x", which="minor", labelrotation=45)
    ends.set_ylabel("lowest validation loss, nats per token")
    ends.legend()
    ways.set_xlabel("percent of the planned steps")
    figure.savefig(file, dpi=120)

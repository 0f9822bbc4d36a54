"""The study's picture: gold of every method, and what ours maximised, against sqrt(KL)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

TOGETHER = 5
"""Iterations that make one point of a proxy: one batch alone is mostly noise."""

Cells = dict[int, list[dict[str, Any]]]
"""Seed -> its rounds; one whose reward models were refused has no way."""


def draw(told: dict[str, Cells], start: float, ours: str, file: Path) -> None:
    """Write the picture; `start` is the starter's gold, from which every way begins."""
    figure, (golds, proxies) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for method, cells in told.items():
        _golds(golds, method, cells, start, wide=method == ours)
    golds.set(title="gold, the true score", ylabel="mean over held-out answers")
    golds.legend(frameon=False, fontsize="small")
    for name, label in (("proxy", "what PPO maximises"), ("holdout", "what it never sees")):
        _scores(proxies, name, label, told.get(ours, {}))
    proxies.set(title=f"{ours}: scores on the way", ylabel="standard deviations of the reference")
    if proxies.lines:
        proxies.legend(frameon=False, fontsize="small")
    for axes in (golds, proxies):
        axes.set_xlabel("sqrt(KL from the starter in nats per answer)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)
    plt.close(figure)


def _golds(axes: Axes, method: str, cells: Cells, start: float, *, wide: bool) -> None:
    ways = [
        [(0.0, start), *((_root(one["worth"]["kl"]), one["worth"]["gold"]) for one in rounds)]
        for rounds in cells.values()
    ]
    means = [
        (fmean(x for x, _ in points), fmean(y for _, y in points))
        for points in zip(*ways, strict=True)
    ]
    (line,) = axes.plot(
        *zip(*means, strict=True), marker="o", label=method, linewidth=2.4 if wide else 1.4
    )
    for way in ways:
        axes.plot(*zip(*way, strict=True), color=line.get_color(), alpha=0.2, linewidth=0.8)


def _scores(axes: Axes, name: str, label: str, cells: Cells) -> None:
    color = None
    for way in (one["way"] for rounds in cells.values() for one in rounds if one["way"]):
        points = [_mean(way[at : at + TOGETHER], name) for at in _starts(way)]
        (line,) = axes.plot(
            *zip(*points, strict=True),
            color=color,
            alpha=0.7,
            linewidth=1.1,
            label=label if color is None else None,
        )
        color = line.get_color()


def _starts(way: Sequence[dict[str, float]]) -> range:
    return range(0, max(1, len(way) - TOGETHER + 1), TOGETHER)


def _mean(part: Sequence[dict[str, float]], name: str) -> tuple[float, float]:
    return _root(fmean(one["kl"] for one in part)), fmean(one[name] for one in part)


def _root(kl: float) -> float:
    return math.sqrt(max(kl, 0.0))

"""The pictures of a report, drawn without a screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rlhf.evaluation.words import strengths_told

Report = Mapping[str, Any]
SIZE = (7.2, 4.0)
"""Inches, at DPI dots each."""
DPI = 120
BINS = 24


def draw(report: Report, folder: Path) -> list[str]:
    """Write the pictures that the report has figures for; returns their names."""
    drawn = []
    for name, (wanted, fill) in PLOTS.items():
        if not wanted(report):
            continue
        figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        fill(report, figure.add_subplot())
        figure.savefig(folder / name, metadata={"Software": None})
        drawn.append(name)
    return drawn


def _strengths(report: Report, axes: Any) -> None:
    told = strengths_told(report)
    names = [one["name"] for one in report["checkpoints"]]
    for row, (by, values) in enumerate(told.items()):
        places = [place + (row - (len(told) - 1) / 2) * 0.18 for place in range(len(names))]
        middle = [one["value"] for one in values]
        below = [max(0.0, one["value"] - one["low"]) for one in values]
        above = [max(0.0, one["high"] - one["value"]) for one in values]
        axes.errorbar(middle, places, xerr=[below, above], fmt="o", capsize=4, label=by)
    axes.set_yticks(range(len(names)), _plain(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axvline(0, color="0.7", linewidth=1)
    axes.set_xlabel("Bradley-Terry strength, nats (95 % intervals)")
    axes.legend()


def _distribution(name: str, words: str) -> Callable[[Report, Any], None]:
    def fill(report: Report, axes: Any) -> None:
        values = [one[name] for one in report["answers"]]
        names = _plain([one["name"] for one in report["checkpoints"]])
        axes.hist(values, bins=BINS, label=names, histtype="step", linewidth=1.6)
        axes.set_xlabel(words)
        axes.set_ylabel("answers")
        axes.legend()

    return fill


def _reward_length(report: Report, axes: Any) -> None:
    for checkpoint, one in zip(report["checkpoints"], report["answers"], strict=True):
        (name,) = _plain([checkpoint["name"]])
        axes.scatter(one["tokens"], one["reward"], s=12, alpha=0.55, label=name)
    axes.set_xlabel("length, tokens")
    axes.set_ylabel("reward (ensemble)")
    axes.legend()


def _plain(names: list[str]) -> list[str]:
    """Dollars would begin a formula."""
    return [name.replace("$", r"\$") for name in names]


def _scored(report: Report) -> bool:
    return all(one["reward"] is not None for one in report["answers"])


PLOTS: dict[str, tuple[Callable[[Report], bool], Callable[[Report, Any], None]]] = {
    "strengths.png": (lambda report: bool(strengths_told(report)), _strengths),
    "lengths.png": (lambda _: True, _distribution("tokens", "length, tokens")),
    "rewards.png": (_scored, _distribution("reward", "reward (ensemble)")),
    "reward_length.png": (_scored, _reward_length),
}
"""File -> whether there is anything to draw, and what draws it."""

"""Pictures of a bias report: every group's difference with its interval, one picture a subject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WIDTH, ROW, PANEL = 3.4, 0.26, 1.4
"""Inches: of a panel, of a group's row, and of a picture's frame."""
FOUND, QUIET, LIMIT = "#b3261e", "#4a5a6a", "#d8dde2"


def draw(report: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Write one PNG per subject; returns (subject, file name)."""
    pictures = []
    subjects = list(dict.fromkeys(one["subject"] for one in report["differences"]))
    for number, subject in enumerate(subjects, start=1):
        mine = [one for one in report["differences"] if one["subject"] == subject]
        name = f"differences-{number}.png"
        _picture(subject, mine).savefig(folder / name, dpi=110)
        pictures.append((subject, name))
    return pictures


def _picture(subject: str, mine: list[dict[str, Any]]) -> Figure:
    measures = list(dict.fromkeys(one["measure"] for one in mine))
    rows = list(dict.fromkeys((one["attribute"], one["group"]) for one in mine))
    figure = Figure(figsize=(2.2 + WIDTH * len(measures), PANEL + ROW * len(rows)))
    FigureCanvasAgg(figure)
    figure.suptitle(f"{subject}: each group less the others, 95 % intervals", parse_math=False)
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for panel, measure in zip(panels, measures, strict=True):
        for one in (one for one in mine if one["measure"] == measure):
            at = rows.index((one["attribute"], one["group"]))
            colour = FOUND if one["finding"] else QUIET
            panel.barh(at, 2 * one["matters"], left=-one["matters"], height=1.0, color=LIMIT)
            panel.plot([one["low"], one["high"]], [at, at], color=colour, linewidth=2)
            panel.plot([one["difference"]], [at], "o", color=colour, markersize=4)
        panel.axvline(0, color="black", linewidth=0.6)
        panel.set_title(measure, fontsize=9)
        panel.tick_params(labelsize=8)
    labels = [f"{attribute}: {group}"[:40] for attribute, group in rows]
    panels[0].set_yticks(range(len(rows)), labels, parse_math=False)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    figure.tight_layout()
    return figure

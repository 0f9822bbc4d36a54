"""The report of a cleaning: counts that add up, tables before and after, and a picture of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhf.data.cleaning.words import I64

LARGEST = 30
"""Groups that have a line of their own in a table; the others share one."""
BOILERPLATE_SHOWN = 20
OTHERS = "all others"

Table = list[dict[str, Any]]
"""Lines with `name`, `before` (rows with something to learn), `after` (rows that stay) and
`train`."""


def table(
    groups: I64,
    names: Sequence[str],
    before: NDArray[np.bool_],
    stays: NDArray[np.bool_],
    train: NDArray[np.bool_],
) -> Table:
    """How many rows each group had and has; groups without any row before are left out."""
    counts = [
        np.bincount(groups[rows], minlength=len(names)).tolist() for rows in (before, stays, train)
    ]
    lines = [
        {"name": name, "before": was, "after": now, "train": learned}
        for name, was, now, learned in zip(names, *counts, strict=True)
        if was
    ]
    if len(lines) <= LARGEST:
        return lines
    lines.sort(key=lambda line: -int(line["before"]))
    rest = lines[LARGEST - 1 :]
    sums = {key: sum(line[key] for line in rest) for key in ("before", "after", "train")}
    return [*lines[: LARGEST - 1], {"name": f"{OTHERS} ({len(rest)})", **sums}]


def by_reason(actions: Counter[tuple[str, str]], action: str) -> dict[str, int]:
    """Rows per reason of one action, the most frequent first."""
    found = [(reason, count) for (what, reason), count in actions.items() if what == action]
    return dict(sorted(found, key=lambda one: (-one[1], one[0])))


def draw(report: Mapping[str, Any], file: Path) -> None:
    """Lengths, sources and topics before and after, as bars in a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tables: dict[str, Table] = report["tables"]
    heights = [max(3, len(lines)) for lines in tables.values()]
    figure = Figure(figsize=(9, 1.6 + 0.36 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, lines) in zip(
        figure.subplots(len(tables), 1, gridspec_kw={"height_ratios": heights}, squeeze=False).flat,
        tables.items(),
        strict=True,
    ):
        places = np.arange(len(lines))
        axes.barh(places - 0.2, [one["before"] for one in lines], 0.4, color="#b8bec7")
        axes.barh(places + 0.2, [one["after"] for one in lines], 0.4, color="#2f6f9f")
        axes.set_yticks(places, [_short(str(one["name"])) for one in lines], fontsize=8)
        axes.invert_yaxis()
        axes.set_title(f"by {name}", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.suptitle(
        f"{report['rows']:,} rows came, {report['kept']:,} stay "
        "(grey: rows with something to learn, blue: those that stay)",
        fontsize=10,
    )
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _short(name: str, longest: int = 44) -> str:
    """A name as it fits beside a bar; a dollar sign would begin a formula."""
    plain = name.replace("$", r"\$")
    return plain if len(plain) <= longest else plain[: longest - 1] + "\u2026"

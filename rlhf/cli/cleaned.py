"""How a cleaning is told: counts that add up, tables before and after, the story of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlhf.cli.terminal import show, show_json, show_table
from rlhf.data.cleaning.run import Cleaned
from rlhf.data.cleaning.story import Story
from rlhf.data.datasets import PLOT, REPORT
from rlhf.store.datasets import DatasetRow

SHORT = 12
"""Characters of a digest that are shown."""
SHOWN = 12
"""Lines of a table before and after; the report has more."""
LONGEST_LINE = 76


def show_cleaned(made: Cleaned, *, as_json: bool) -> None:
    """The report in words, or whole as JSON."""
    report = made.report
    if as_json:
        where = {} if made.dataset is None else {"digest": made.dataset.digest}
        show_json({**where, **report})
        return
    splits = ", ".join(f"{count:,} {split}" for split, count in report["splits"].items())
    show(f"{report['rows']:,} rows, {report['kept']:,} stay ({splits})\n")
    _show_reasons(report)
    _show_tables(report)
    _show_boilerplate(report["boilerplate"])
    leaks = report["leaks"]
    show(
        f"Nothing leaks: {leaks['rows']:,} rows looked through, no conversation or document is in "
        "two splits and no row is like one of another split."
    )
    for limit in report["limits"]:
        show(limit)
    if made.dataset is None:
        show("\nNothing was written: this was a dry run.")
    else:
        folder = made.dataset.folder
        show(f"\nData set {made.dataset.digest[:SHORT]} in {folder}")
        show(f"{REPORT} has all figures, {PLOT} draws them, actions.parquet tells every change")


def show_datasets(known: Sequence[DatasetRow], home: Path, *, as_json: bool) -> None:
    """Data sets with their sizes, the latest first."""
    if as_json:
        show_json([{**asdict(one), "folder": home / "datasets" / one.digest} for one in known])
        return
    show_table(
        ("digest", "made (UTC)", "rows", "train", "validation", "test"),
        (
            (
                one.digest[:SHORT],
                datetime.fromtimestamp(one.created_at, UTC).strftime("%Y-%m-%d %H:%M"),
                one.report["kept"],
                *(one.report["splits"][split] for split in ("train", "validation", "test")),
            )
            for one in known
        ),
        empty="no data set yet: `rlhf clean` makes one",
    )


def show_row(story: Story, *, as_json: bool) -> None:
    """A row as it came, what was done to it, and as it is now."""
    if as_json:
        show_json(asdict(story))
        return
    raw = story.raw
    show(f"{raw.kind}:{raw.row} from {raw.source}, as it came:")
    _show_text({"messages": raw.messages, "text": raw.text})
    show("")
    show_table(
        ("action", "reason", "detail"),
        ((one["action"], one["reason"], one["detail"]) for one in story.actions),
        empty="nothing was done to it",
    )
    if story.clean is None:
        show(f"\nIt is not in data set {story.dataset[:SHORT]}.")
        return
    show(f"\nIn the {story.split} split of data set {story.dataset[:SHORT]}:")
    _show_text(story.clean)


def _show_text(row: Mapping[str, Any]) -> None:
    for message in row["messages"]:
        show(f"  {message['role']}: {message['content']}")
    if row["text"]:
        show(f"  {row['text']}")


def _show_reasons(report: Mapping[str, Any]) -> None:
    dropped = [("dropped", reason, count, "") for reason, count in report["dropped"].items()]
    changed = [("changed", reason, count, "") for reason, count in report["changed"].items()]
    masked = [
        ("masked", kind, count["rows"], f"{count['values']:,} values")
        for kind, count in report["masked"].items()
    ]
    gone = sum(report["dropped"].values())
    total = [("", f"dropped in all ({report['rows']:,} - {gone:,} = {report['kept']:,})", gone, "")]
    show_table(
        ("what", "why", "rows", ""),
        (
            (what, why, f"{rows:,}", more)
            for what, why, rows, more in [*dropped, *total, *changed, *masked]
        ),
        empty="",
    )


def _show_tables(report: Mapping[str, Any]) -> None:
    for name, lines in report["tables"].items():
        show("")
        show_table(
            (f"by {name}", "before", "after", "train"),
            (
                (_cut(one["name"]), f"{one['before']:,}", f"{one['after']:,}", f"{one['train']:,}")
                for one in lines[:SHOWN]
            ),
            empty="",
        )
        if len(lines) > SHOWN:
            show(f"and {len(lines) - SHOWN} more in the report")
    show("")


def _show_boilerplate(lines: Sequence[Mapping[str, Any]]) -> None:
    if lines:
        show_table(
            ("boilerplate", "rows"),
            ((_cut(one["line"]), f"{one['rows']:,}") for one in lines[:SHOWN]),
            empty="",
        )
        show("")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 3] + "..."

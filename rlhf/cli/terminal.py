"""What commands show in a terminal: tables, checks and progress bars.

Everything shown may have come from people or models, so nothing is read as markup.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

ProgressCallback = Callable[[int, int, str], None]
"""Called with (done, total, what is being done)."""

UNSHOWABLE = re.compile(r"(?!\r\n)[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which a terminal obeys, and half characters, which it cannot be sent."""


def printable(text: str) -> str:
    """The text with a replacement character for each that a terminal would not just show."""
    return UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def show(text: str) -> None:
    """One line or paragraph on standard output, never wrapped inside a word or link."""
    Console().print(escape(text), soft_wrap=True, highlight=False)


def show_json(value: Any) -> None:
    """Machine-readable output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under their headings, or the sentence `empty` when there are none."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        Console().print(table, highlight=False)
    else:
        show(empty)


@contextmanager
def progress_bar(what: str) -> Iterator[ProgressCallback]:
    """A bar on standard error, fed by the callback it yields; silent when nobody watches."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task(escape(what), total=1, text="")
        yield lambda done, total, text: bars.update(
            task, completed=done, total=total, text=escape(text)
        )

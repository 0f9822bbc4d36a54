"""What commands show in a terminal: tables, checks and progress bars.

Everything shown may have come from people or models: it is shown as it is, nothing of it is read
as markup, and nothing of it can steer the terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
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
    typer.echo(printable(text))


def show_json(value: Any) -> None:
    """Machine-readable output."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    typer.echo(UNSHOWABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under their headings, or the sentence `empty` when there are none."""
    table = Table(*map(printable, columns), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else printable(str(cell)) for cell in row))
    if table.row_count:
        Console(markup=False, emoji=False).print(table, highlight=False)
    else:
        show(empty)


@contextmanager
def progress_bar(what: str) -> Iterator[ProgressCallback]:
    """A bar on standard error, fed by the callback it yields; silent when nobody watches."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task(what, total=1, text="")
        yield lambda done, total, text: bars.update(
            task, completed=done, total=total, text=printable(text)
        )

"""What every reader gives: a record and where it stands. And bounds, and how names are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
Watch = Callable[[int], object]
"""Told, now and then, how many bytes of the file were read."""

LONGEST_ROW = 2**24
"""Characters that one line, one CSV cell or one element of a JSON list may have."""
LONGEST_DOCUMENT = 2**26
"""Characters of a plain text file, which is read as a whole."""
MOST_COLUMNS = 1000
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One record and where it stands: `line` counts from 1, a header line included.

    Parquet has no lines: its rows are counted. An element of a JSON list also has its place in it.
    """

    line: int
    record: Record
    nth: int | None = None


def shown(value: object, longest: int = SHOWN) -> str:
    """Something from a file, safe in a sentence: on one line, printable, not long."""
    plain = str(value)
    cut = plain if len(plain) <= longest else plain[: longest - 3] + "..."
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


def columns_shown(record: Record) -> str:
    """The columns of a record, as a sentence lists them."""
    names = [shown(name, 30) for name in list(record)[:20]]
    return ", ".join(names + ["..."] * (len(record) > 20)) or "none"

"""What became of one raw row in the latest data set: as it came, what was done, as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq

from rlhf.data.datasets import ACTIONS, SPLITS, Dataset, latest, readable
from rlhf.errors import UsageError
from rlhf.store import Store
from rlhf.store.datasets import Kind, RawRow, raw_row


@dataclass(frozen=True, slots=True)
class Story:
    """A raw row and what was made of it."""

    dataset: str
    """Its digest."""
    raw: RawRow
    actions: list[dict[str, Any]]
    split: str | None
    """None where the row was dropped, or came after the data set was made."""
    clean: dict[str, Any] | None


def story(store: Store, home: Path, name: str) -> Story:
    """The story of a row such as chat:17.

    Raises UsageError for a name of another form, RLHFError where the data set cannot be read.
    """
    kind, number = _parsed(name)
    data = latest(store, home)
    with store.read() as tx:
        raw = raw_row(tx, kind, number)
    split, clean = _now(data, kind, number)
    return Story(data.digest, raw, _found(data, ACTIONS, kind, number), split, clean)


def _parsed(name: str) -> tuple[Kind, int]:
    kind, _, number = name.partition(":")
    for known in get_args(Kind):
        if kind == known and number.isdecimal():
            return known, int(number)
    raise UsageError(f"'{name}' names no row; rows are named as in chat:17, answer:5 or passage:3")


def _now(data: Dataset, kind: Kind, number: int) -> tuple[str | None, dict[str, Any] | None]:
    for split in SPLITS:
        found = _found(data, f"{split}.parquet", kind, number)
        if found:
            return split, found[0]
    return None, None


def _found(data: Dataset, file: str, kind: Kind, number: int) -> list[dict[str, Any]]:
    where = [("kind", "==", kind), ("row", "==", number)]
    path = data.folder / file
    with readable(path):
        rows: list[dict[str, Any]] = pq.read_table(path, filters=where).to_pylist()
    return rows

"""Cleaned data sets: immutable folders in the home, named by the digest of what is in them.

`rlhf clean` makes them; training and evaluation read them through `latest`, `dataset` and `rows`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from rlhf.data.turns import Messages
from rlhf.durable import file_digest, replace_folder
from rlhf.errors import NotFound, RLHFError, UsageError
from rlhf.store import Store
from rlhf.store import datasets as stored

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

REPORT, ACTIONS, PLOT = "report.json", "actions.parquet", "before_after.png"

MESSAGES_TYPE = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
ROWS_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("messages", MESSAGES_TYPE),
        ("text", pa.string()),
        ("source", pa.string()),
        ("conversation", pa.string()),
        ("row", pa.int64()),
    ]
)
"""The columns of `train.parquet`, `validation.parquet` and `test.parquet`."""
ACTIONS_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("row", pa.int64()),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
"""The columns of `actions.parquet`; `action` is dropped, changed or masked."""

BATCH = 1000
"""Rows that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row to learn from or to be measured on."""

    kind: stored.Kind
    messages: Messages
    """The whole conversation with the final answer; empty for a passage."""
    text: str
    """Empty for a chat."""
    source: str
    conversation: str
    row: int
    """The id of the raw row among those of its kind."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set on this machine."""

    digest: str
    folder: Path
    report: dict[str, Any]


def latest(store: Store, home: Path) -> Dataset:
    """The data set that was made last. Raises UsageError where there is none."""
    with store.read() as tx:
        known = stored.datasets(tx)
    if not known:
        raise UsageError("there is no cleaned data set yet. Run `rlhf clean` first")
    return _there(home, known[0])


def dataset(store: Store, home: Path, ref: str) -> Dataset:
    """The data set whose digest begins with `ref`. Raises NotFound."""
    with store.read() as tx:
        return _there(home, stored.dataset_named(tx, ref))


def rows(data: Dataset, split: Split) -> Iterator[Example]:
    """The rows of a split, in the order of their ids, chats first.

    Raises RLHFError where they cannot be read.
    """
    path = data.folder / f"{split}.parquet"
    with readable(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH):
            for row in batch.to_pylist():
                yield Example(**row)


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn what is wrong with a file of a data set into a sentence."""
    try:
        yield
    except (OSError, pa.ArrowException) as damage:
        reason, *_ = str(damage).split("\n")
        raise RLHFError(
            f"{file} is damaged ({reason}). `rlhf clean` puts a sound copy in "
            "its place where rows and settings are the same; else restore the folder from a copy"
        ) from damage


def publish(home: Path, folder: Path) -> str:
    """Move a finished folder into the home's data sets and return its digest.

    The digest covers the name and SHA-256 of every file but the plot, which is drawn from them.
    Publishing the same content again drops the new copy, or puts it in the place of one that was
    damaged meanwhile.
    """
    digest = _digest(folder)
    final = home / "datasets" / digest
    if final.exists() and _digest(final) == digest:
        shutil.rmtree(folder)
        return digest
    final.parent.mkdir(mode=0o700, exist_ok=True)
    replace_folder(folder, final)
    return digest


def _digest(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != PLOT)
    plain = json.dumps([[path.name, file_digest(path)] for path in files])
    return hashlib.sha256(plain.encode()).hexdigest()


def _there(home: Path, known: stored.DatasetRow) -> Dataset:
    folder = home / "datasets" / known.digest
    if not (folder / REPORT).is_file():
        raise NotFound(
            f"data set {known.digest[:12]} is not in {folder.parent}. "
            "Restore it from a backup, or run `rlhf clean` again"
        )
    return Dataset(known.digest, folder, known.report)

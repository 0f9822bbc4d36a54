"""From a file to numbered rows of plain values, by its extension.

JSONL, JSON, CSV, TSV, Parquet, plain text and Markdown (one row, its `text`), each also packed as
`.gz`. Nothing in a file is run or unpickled, and no more than a few rows are held.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rlhf.data.reading.columns import parquet_rows
from rlhf.data.reading.plain_json import json_rows, jsonl_rows
from rlhf.data.reading.rows import LONGEST_DOCUMENT, Record, Row, Watch
from rlhf.data.reading.table import table_rows
from rlhf.data.reading.text import open_regular, text_pieces
from rlhf.errors import InputError

__all__ = ["READERS", "Record", "Row", "Watch", "extension", "is_prose", "read_rows", "refused"]

PROSE = (".txt", ".md", ".markdown")


def read_rows(file: Path, watch: Watch | None = None) -> Iterator[Row]:
    """Rows of a file, by its extension. Raises InputError that names file and line.

    `watch` is told how many bytes were read.
    """
    if not os.path.lexists(file):
        raise InputError("there is no such file", file=file, fix="Check the path")
    with open_regular(file) as plain:
        is_empty = not plain.read(1)
    reader = READERS.get(extension(file))
    if reader is None:
        raise InputError(f"cannot be read by its extension; known are {known()}", file=file)
    if is_empty:
        raise InputError("the file is empty", file=file)
    found = False
    for row in reader(file, watch):
        found = True
        yield row
    if not found:
        raise InputError("the file has no rows", file=file)


def extension(file: Path) -> str:
    """What tells the format: the last suffix before `.gz`, in lower case."""
    name = file.name.lower().removesuffix(".gz")
    return Path(name).suffix


def is_prose(file: Path) -> bool:
    """Whether a file holds running text and no rows."""
    return extension(file) in PROSE


def known() -> str:
    """The extensions that can be read, as a sentence lists them."""
    return ", ".join(READERS)


def refused(wrong: InputError, file: Path, row: Row) -> InputError:
    """What is wrong with a row, with file and line."""
    which = f" (element {row.nth} of the list)" if row.nth is not None else ""
    return InputError(
        wrong.problem + which, file=file, line=row.line, field=wrong.field, fix=wrong.fix
    )


def _csv(file: Path, watch: Watch | None) -> Iterator[Row]:
    return table_rows(file, ".csv", watch)


def _tsv(file: Path, watch: Watch | None) -> Iterator[Row]:
    return table_rows(file, ".tsv", watch)


def _prose(file: Path, watch: Watch | None) -> Iterator[Row]:
    pieces: list[str] = []
    held = 0
    for piece in text_pieces(file, watch):
        held += len(piece)
        if held > LONGEST_DOCUMENT:
            raise InputError(
                f"has more than {LONGEST_DOCUMENT:,} characters", file=file, fix="Split it"
            )
        pieces.append(piece)
    text = "".join(pieces).replace("\r\n", "\n")
    if text.strip():
        yield Row(1, {"text": text})


READERS: dict[str, Callable[[Path, Watch | None], Iterator[Row]]] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".json": json_rows,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": parquet_rows,
    **dict.fromkeys(PROSE, _prose),
}

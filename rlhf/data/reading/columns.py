"""Parquet: rows of plain values, of the types that Parquet itself knows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlhf.data.reading.rows import MOST_COLUMNS, Row, Watch, shown
from rlhf.data.reading.text import UNPACKED_FLOOR, UNPACKED_TIMES, open_regular, unpacked
from rlhf.errors import InputError

TOGETHER = 1000
"""Rows that are made plain at once."""
ROWS_FLOOR = 1_000_000
"""Beyond it a row takes at least a byte; where all are alike, a kilobyte may hold a billion."""
BROKEN = (pa.ArrowException, OSError, ValueError, ArithmeticError, LookupError, TypeError)
"""What pyarrow raises for files that are not what they say."""


def parquet_rows(file: Path, watch: Watch | None = None) -> Iterator[Row]:
    """Rows, counted from 1. Raises InputError."""
    with tempfile.TemporaryFile() as room:
        source: Any = room
        if file.suffix.lower() == ".gz":
            for piece in unpacked(file):
                room.write(piece)
            room.seek(0)
        else:
            source = open_regular(file)
        with source:
            try:
                yield from _rows(pq.ParquetFile(source, pre_buffer=False), file, watch)
            except BROKEN as broken:
                reason = shown((str(broken).splitlines() or [""])[0], 120)
                raise InputError(f"cannot be read as Parquet ({reason})", file=file) from broken


def _rows(parquet: pq.ParquetFile, file: Path, watch: Watch | None) -> Iterator[Row]:
    schema, size = parquet.schema_arrow, file.stat().st_size
    groups = range(parquet.metadata.num_row_groups)
    unpacks = sum(parquet.metadata.row_group(at).total_byte_size for at in groups)
    if unpacks > max(UNPACKED_FLOOR, UNPACKED_TIMES * size):
        raise InputError(f"unpacks to {unpacks >> 20} MB from {size} bytes", file=file)
    if parquet.metadata.num_rows > max(ROWS_FLOOR, size):
        raise InputError(
            f"has {parquet.metadata.num_rows:,} rows in {size:,} bytes, all of them alike",
            file=file,
            fix="Give each row once",
        )
    if len(schema) > MOST_COLUMNS:
        raise InputError(f"has {len(schema)} columns, more than {MOST_COLUMNS}", file=file)
    if len(set(schema.names)) < len(schema):
        raise InputError("has two columns of one name", file=file)
    for column in schema:
        if _is_foreign(column.type):
            raise InputError(
                "is of an extension type, which is refused", file=file, field=shown(column.name)
            )
    number, rows = 0, max(parquet.metadata.num_rows, 1)
    for batch in parquet.iter_batches(batch_size=TOGETHER):
        for record in batch.to_pylist():
            number += 1
            yield Row(number, record)
        if watch:
            watch(size * number // rows)


def _is_foreign(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.ExtensionType):
        return True
    return any(_is_foreign(kind.field(at).type) for at in range(kind.num_fields))

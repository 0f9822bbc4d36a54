"""From a file to numbered rows of plain values: JSONL, JSON, CSV, TSV and Parquet.

Text is UTF-8, with or without a byte-order mark, or UTF-16 with one. Nothing in a file is run or
unpickled.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from rlhf.errors import InputError

Record = dict[str, Any]
LONGEST_CELL = 2**24
"""Characters that one CSV cell may have."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record and where it stands: `line` counts from 1, a header line included."""

    line: int
    record: Record


def read_rows(file: Path) -> Iterator[Row]:
    """Rows of a file, by its extension. Raises InputError that names file and line."""
    if not file.exists():
        raise InputError("there is no such file", file=file, fix="Check the path")
    if not file.is_file():
        raise InputError("this is a folder, not a file", file=file, fix="Give the files in it")
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise InputError(f"cannot be read by its extension; known are {known}", file=file)
    if file.stat().st_size == 0:
        raise InputError("the file is empty", file=file)
    found = False
    for row in reader(file):
        found = True
        yield row
    if not found:
        raise InputError("the file has no rows", file=file)


def _jsonl(file: Path) -> Iterator[Row]:
    for line, text in enumerate(_text(file).split("\n"), start=1):
        if text.strip():
            yield Row(line, _record(_parse(text, file, line), file, line))


def _json(file: Path) -> Iterator[Row]:
    whole = _parse(_text(file), file, None)
    rows = whole if isinstance(whole, list) else [whole]
    for number, plain in enumerate(rows, start=1):
        yield Row(number, _record(plain, file, number))


def _csv(file: Path) -> Iterator[Row]:
    return _table(file, ",")


def _tsv(file: Path) -> Iterator[Row]:
    return _table(file, "\t")


def _table(file: Path, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.DictReader(io.StringIO(_text(file), newline=""), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if None in record or None in record.values():
                raise InputError(
                    f"does not have the {len(reader.fieldnames or ())} cells of the header",
                    file=file,
                    line=reader.line_num,
                    fix="Quote cells that contain the delimiter or line breaks",
                )
            yield Row(reader.line_num, {name: _cell(text) for name, text in record.items()})
    except csv.Error as broken:
        raise InputError(str(broken), file=file, line=reader.line_num) from broken


def _cell(text: str) -> Any:
    """A cell's text; or the message list that it holds as JSON, as exports write them."""
    if not text.startswith('[{"'):
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value if all(isinstance(one, dict) for one in value) else text


def _parquet(file: Path) -> Iterator[Row]:
    try:
        parquet = pq.ParquetFile(file)
        foreign = [f.name for f in parquet.schema_arrow if isinstance(f.type, pa.ExtensionType)]
        if foreign:
            raise InputError(
                "is of an extension type, which is refused", file=file, field=foreign[0]
            )
        line = 0
        for batch in parquet.iter_batches():
            for record in batch.to_pylist():
                line += 1
                yield Row(line, record)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as broken:
        reason = str(broken).splitlines()[0]
        raise InputError(f"cannot be read as Parquet ({reason})", file=file) from broken


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
}


def _text(file: Path) -> str:
    data = file.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as broken:
        line = data[: broken.start].count(b"\n") + 1
        raise InputError(
            "is not UTF-8 text", file=file, line=line, fix="Save the file as UTF-8"
        ) from broken


def _parse(text: str, file: Path, line: int | None) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as broken:
        at = line if line is not None else broken.lineno
        raise InputError(
            f"not valid JSON ({broken.msg} at column {broken.colno})", file=file, line=at
        ) from broken
    except (ValueError, RecursionError) as broken:
        raise InputError(f"not valid JSON ({broken})", file=file, line=line) from broken


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _record(plain: Any, file: Path, line: int) -> Record:
    if isinstance(plain, str):
        return {"prompt": plain}
    if not isinstance(plain, dict):
        raise InputError("must be an object or a text", file=file, line=line)
    return {sys.intern(str(key)): value for key, value in plain.items()}

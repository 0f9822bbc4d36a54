"""CSV and TSV: a header, and rows of as many cells."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from rlhf.data.reading.plain_json import DECODER
from rlhf.data.reading.rows import LONGEST_ROW, MOST_COLUMNS, Row, Watch, shown
from rlhf.data.reading.text import lines, split_returns
from rlhf.errors import InputError

SEPARATORS = {".csv": ",;\t", ".tsv": "\t"}
"""The first of them that is in the header separates; a header without any is one column."""


def table_rows(file: Path, extension: str, watch: Watch | None = None) -> Iterator[Row]:
    """Rows by the names in the header. Raises InputError with the line on which a row begins."""
    csv.field_size_limit(LONGEST_ROW)
    source = (part for line in lines(file, watch) for part in split_returns(line))
    first = next(source, "")
    known = SEPARATORS[extension]
    separator = next((one for one in known if one in first), known[0])
    reader = csv.reader(chain([first], source), delimiter=separator, strict=True)
    names: list[str] | None = None
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as broken:
            raise InputError(_in_words(broken), file=file, line=begins) from broken
        if not cells or (names is None and len(cells) == 1 and not cells[0].strip()):
            continue
        if names is None:
            names = _header(cells, file, begins)
            continue
        if len(cells) != len(names):
            raise InputError(
                f"has {len(cells)} cells and not the {len(names)} cells of the header",
                file=file,
                line=begins,
                fix="Quote cells that contain the delimiter or line breaks",
            )
        yield Row(begins, dict(zip(names, map(_cell, cells), strict=True)))


def _header(cells: Sequence[str], file: Path, line: int) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) > MOST_COLUMNS:
        raise InputError(
            f"has {len(names)} columns, more than {MOST_COLUMNS}", file=file, line=line
        )
    if "" in names:
        raise InputError(
            f"column {names.index('') + 1} of the header has no name",
            file=file,
            line=line,
            fix="Name it, or write the table without its index",
        )
    (name, times), *_ = Counter(names).most_common(1)
    if times > 1:
        raise InputError(f"the header names '{shown(name)}' {times} times", file=file, line=line)
    return names


def _cell(text: str) -> Any:
    """A cell's text; or the message list that it holds as JSON, as exports write them."""
    if not text.startswith('[{"'):
        return text
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError):
        return text
    return value if all(isinstance(one, dict) for one in value) else text


def _in_words(broken: csv.Error) -> str:
    reason = str(broken)
    if "unexpected end" in reason:
        return "a quote opens here that is never closed"
    if "field larger" in reason:
        return f"a cell has more than {LONGEST_ROW:,} characters; a quote may not be closed"
    if "new-line character" in reason:
        return "has a carriage return inside a cell that is not quoted"
    return f"is no row of a table ({shown(reason)})"

"""JSON strictly read, a line or an element of a list at a time.

Refused beyond what is not JSON: a key that stands twice in an object, NaN, numbers beyond what a
float holds, and nesting deeper than the parser goes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from rlhf.data.reading.rows import LONGEST_ROW, MOST_COLUMNS, Record, Row, Watch, shown
from rlhf.data.reading.text import PIECE, lines, text_pieces
from rlhf.errors import InputError

BLANKS = " \t\n\r"
NEAR_THE_END = 20
"""Characters: a mistake this close to the end of what was read may be a value cut in two."""


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{shown(twice)}' stands twice in an object")
    return made


def _finite(written: str) -> float:
    number = float(written)
    if math.isinf(number):
        raise ValueError(f"{shown(written)} is too large a number")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant
)


def jsonl_rows(file: Path, watch: Watch | None = None) -> Iterator[Row]:
    """A row a line; blank lines are none. Raises InputError with the line."""
    for number, text in enumerate(lines(file, watch), start=1):
        if text and not text.isspace():
            try:
                value = DECODER.decode(text)
            except (ValueError, RecursionError) as broken:
                raise _refused(broken, file, number) from broken
            yield Row(number, _record(value, file, number))


def json_rows(file: Path, watch: Watch | None = None) -> Iterator[Row]:
    """The elements of a list, or the one value that there is. Raises InputError with the line."""
    stream = _Stream(file, watch)
    if stream.next_char() != "[":
        line = stream.line
        yield Row(line, _record(stream.value(), file, line))
        if stream.next_char():
            raise InputError(
                "not valid JSON (more follows after its end)",
                file=file,
                line=stream.line,
                fix="Name a file of one object per line .jsonl",
            )
        return
    stream.skip()
    number, mark = 0, ","
    if stream.next_char() == "]":
        mark = "]"
        stream.skip()
    while mark == ",":
        number += 1
        stream.next_char()
        line = stream.line
        yield Row(line, _record(stream.value(), file, line, number), number)
        mark = stream.next_char()
        if mark not in (",", "]"):
            raise InputError("not valid JSON (Expecting ',' or ']')", file=file, line=stream.line)
        stream.skip()
    if stream.next_char():
        raise InputError("not valid JSON (more follows after its end)", file=file, line=stream.line)


class _Stream:
    """JSON text of which only a window is in memory."""

    def __init__(self, file: Path, watch: Watch | None) -> None:
        self.file = file
        self._pieces = text_pieces(file, watch)
        self._text = ""
        self._at = 0
        self._counted = 0
        self.line = 1
        """Of the next character that is no blank."""

    def next_char(self) -> str:
        """The next character that is no blank, which stays; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in BLANKS:
                self._at += 1
            self.line += self._text.count("\n", self._counted, self._at)
            self._counted = self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Pass over one character."""
        self._at += 1

    def value(self) -> Any:
        """The value that begins here. Raises InputError."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as broken:
                cut = broken.msg.startswith("Unterminated string")
                near = broken.pos >= len(self._text) - NEAR_THE_END
                if (cut or near) and self._more():
                    continue
                line = self.line + self._text.count("\n", self._counted, broken.pos)
                raise _refused(broken, self.file, line) from broken
            except (ValueError, RecursionError) as broken:
                raise _refused(broken, self.file, self.line) from broken
            if end == len(self._text) and isinstance(value, int | float) and self._more():
                continue
            self._at = end
            return value

    def _more(self) -> bool:
        """Read on, twice as much as is waiting; False at the end. Raises InputError."""
        waiting = len(self._text) - self._at
        if waiting > LONGEST_ROW:
            raise InputError(
                f"begins a value of more than {LONGEST_ROW:,} characters",
                file=self.file,
                line=self.line,
                fix="Give a list of rows",
            )
        new = [self._text[self._at :]]
        read = 0
        for piece in self._pieces:
            new.append(piece)
            read += len(piece)
            if read >= max(PIECE, waiting):
                break
        self.line += self._text.count("\n", self._counted, self._at)
        self._text, self._at, self._counted = "".join(new), 0, 0
        return read > 0


def _refused(broken: Exception, file: Path, line: int) -> InputError:
    if isinstance(broken, json.JSONDecodeError):
        reason = f"{broken.msg} at column {broken.colno}"
    elif isinstance(broken, RecursionError):
        reason = "it is nested too deeply"
    else:
        reason = shown(broken, 120)
    return InputError(f"not valid JSON ({reason})", file=file, line=line)


def _record(plain: Any, file: Path, line: int, nth: int | None = None) -> Record:
    if isinstance(plain, str):
        return {"prompt": plain}
    if not isinstance(plain, dict):
        which = f" (element {nth} of the list)" if nth else ""
        raise InputError(f"must be an object or a text{which}", file=file, line=line)
    if len(plain) > MOST_COLUMNS:
        raise InputError(
            f"has {len(plain)} columns, more than {MOST_COLUMNS}", file=file, line=line
        )
    return plain

"""From a file to its text, in pieces: opened safely, unpacked within bounds, decoded strictly.

Text is UTF-8, with or without a byte-order mark at its beginning, or UTF-16 with one.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from rlhf.data.reading.rows import LONGEST_ROW, Watch
from rlhf.errors import InputError

PIECE = 2**20
"""Bytes that are read at once."""
UNPACKED_FLOOR = 2**26
UNPACKED_TIMES = 200
"""A gzip file may unpack to `UNPACKED_FLOOR` bytes or to this many times what was read of it: text
shrinks to a twentieth, a bomb to a thousandth."""
FOREIGN = {
    b"PK\x03\x04": "a zip archive, as Excel and Word write them",
    b"\x1f\x8b": "packed with gzip",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"SQLite": "a database",
}
"""How files begin that were given another's extension."""
MARK = "\ufeff"


def open_regular(file: Path) -> BinaryIO:
    """Open for reading. Raises InputError for all that is no plain file, and never waits."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
            raise InputError(f"this is {what}, not a file", file=file, fix="Give plain files")
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as refused:
        raise InputError(f"cannot be opened ({refused.strerror})", file=file) from refused
    return os.fdopen(handle, "rb")


def unpacked(file: Path, watch: Watch | None = None) -> Iterator[bytes]:
    """The bytes of a file in pieces, gzip (by its extension) undone within the bound.

    Raises InputError.
    """
    with open_regular(file) as plain:
        packed = file.suffix.lower() == ".gz"
        source = cast("BinaryIO", gzip.GzipFile(fileobj=plain)) if packed else plain
        given = 0
        while piece := _piece(source, file):
            given += len(piece)
            if packed and given > max(UNPACKED_FLOOR, UNPACKED_TIMES * plain.tell()):
                raise InputError(
                    f"unpacks to more than {given >> 20} MB from {plain.tell()} bytes",
                    file=file,
                    fix="Unpack it yourself if it is sound",
                )
            yield piece
            if watch:
                watch(plain.tell())


def _piece(source: BinaryIO, file: Path) -> bytes:
    try:
        return source.read(PIECE)
    except EOFError as broken:
        raise InputError("ends in the middle of its gzip data", file=file) from broken
    except (gzip.BadGzipFile, zlib.error) as broken:
        raise InputError("is not sound gzip data", file=file) from broken
    except OSError as broken:
        raise InputError(f"cannot be read ({broken.strerror})", file=file) from broken


def text_pieces(file: Path, watch: Watch | None = None) -> Iterator[str]:
    """The text of a file in pieces. Raises InputError that names the line of what is no text."""
    decoder: codecs.IncrementalDecoder | None = None
    line, before = 1, "\n"
    for piece in unpacked(file, watch):
        if decoder is None:
            _no_foreign(piece, file)
            wide = piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            decoder = codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")()
        text = _decoded(decoder, piece, file, line)
        if not text:
            continue
        _no_strays(before[-1] + text, file, line - (before[-1] == "\n"))
        yield text
        line += text.count("\n")
        before = text
    if decoder is not None:
        _decoded(decoder, b"", file, line, final=True)


def lines(file: Path, watch: Watch | None = None) -> Iterator[str]:
    """The lines of a file without their "\\n". Raises InputError for text as above, or too long."""
    number, rest = 0, ""
    for piece in text_pieces(file, watch):
        whole = (rest + piece).split("\n")
        rest = whole.pop()
        number += len(whole)
        if len(rest) > LONGEST_ROW:
            raise InputError(
                f"has more than {LONGEST_ROW:,} characters",
                file=file,
                line=number + 1,
                fix="Give one row a line",
            )
        yield from whole
    if rest:
        yield rest


def split_returns(line: str) -> Iterator[str]:
    """A line with its end; several where lone carriage returns end lines, as on old Macs."""
    ended = line + "\n"
    if "\r" not in line[:-1]:
        yield ended
        return
    yield from io.StringIO(ended, newline="")


def _no_foreign(piece: bytes, file: Path) -> None:
    for start, what in FOREIGN.items():
        if piece.startswith(start):
            raise InputError(f"is not text but {what}", file=file, line=1)


def _decoded(
    decoder: codecs.IncrementalDecoder, piece: bytes, file: Path, line: int, *, final: bool = False
) -> str:
    try:
        return decoder.decode(piece, final)
    except UnicodeDecodeError as broken:
        at = line + broken.object[: broken.start].count(b"\n")
        fix = "Save the file as UTF-8"
        raise InputError("is not UTF-8 text", file=file, line=at, fix=fix) from broken


def _no_strays(text: str, file: Path, line: int) -> None:
    """`line` is where `text` begins. NUL is in no text; a mark within tells of joined files."""
    if (at := text.find("\0")) >= 0:
        raise InputError(
            "contains a NUL byte, which is in no UTF-8 text",
            file=file,
            line=line + text.count("\n", 0, at),
            fix="Save the file as UTF-8",
        )
    if (at := text.find("\n" + MARK)) >= 0:
        raise InputError(
            "begins with a byte-order mark in the middle of the file",
            file=file,
            line=line + text.count("\n", 0, at + 1),
            fix="Remove it; files that were joined have one each",
        )

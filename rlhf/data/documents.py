"""Documents cut into passages: at headings, then between paragraphs, sentences and words.

Nothing is lost but blanks: passages in their order are the document.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator

from rlhf.data.reading.rows import Record, columns_shown
from rlhf.data.turns import text
from rlhf.errors import InputError
from rlhf.store.passages import NewPassage

LONGEST = 1500
"""Characters of a passage: some 400 tokens, so that a few fit into any model's window."""
TEXTS = ("text", "content", "document", "body", "description")
TITLES = ("title", "name", "heading", "subject")
MOST_META = 20
LONGEST_META = 500
"""Characters of another column that is kept beside a document."""

_HEADING = re.compile(r"^#{1,6}\s+\S", re.MULTILINE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n")  # noqa: RUF001
_WORD = re.compile(r"\s+")


def passages_of(record: Record, source: str) -> list[NewPassage]:
    """The passages of a record's document; none of an empty one. Raises InputError."""
    column = next((one for one in TEXTS if one in record), None)
    if column is None:
        raise InputError(
            f"has no document; columns found: {columns_shown(record)}",
            fix=f"Name one of them {', '.join(TEXTS)}",
        )
    if record[column] is None:
        return []
    whole = text(record[column], column, may_be_empty=True)
    titled = next((one for one in TITLES if isinstance(record.get(one), str)), None)
    if titled and whole.strip() and record[titled].strip():
        whole = f"{record[titled].strip()}\n\n{whole}"
    meta = _meta({name: value for name, value in record.items() if name not in (column, titled)})
    digest = hashlib.sha256(whole.encode("utf-8", errors="replace")).hexdigest()
    pieces = cut_into_passages(whole)
    return [NewPassage(digest, place, one, source, meta) for place, one in enumerate(pieces)]


def cut_into_passages(whole: str) -> Iterator[str]:
    """Pieces of at most `LONGEST` characters, none of them blank."""
    for section in _sections(whole):
        yield from _packed(filter(str.strip, _PARAGRAPH.split(section)), "\n\n", _sentences)


def _sections(whole: str) -> Iterator[str]:
    """From heading to heading; headings without text between them stay together."""
    starts = [found.start() for found in _HEADING.finditer(whole)]
    begins = 0
    for start in starts:
        if "\n" in whole[begins:start].strip() or not _HEADING.match(whole, begins):
            yield whole[begins:start]
            begins = start
    yield whole[begins:]


def _sentences(paragraph: str) -> Iterator[str]:
    return _packed(filter(str.strip, _SENTENCE.split(paragraph)), " ", _words)


def _words(sentence: str) -> Iterator[str]:
    return _packed(_WORD.split(sentence), " ", _letters)


def _letters(word: str) -> Iterator[str]:
    return (word[at : at + LONGEST] for at in range(0, len(word), LONGEST))


def _packed(
    parts: Iterable[str], glue: str, smaller: Callable[[str], Iterator[str]]
) -> Iterator[str]:
    """Parts put together while they fit; one that never fits is cut by `smaller`."""
    held: list[str] = []
    size = 0
    for part in (part.strip() for part in parts):
        if held and size + len(glue) + len(part) > LONGEST:
            yield glue.join(held)
            held, size = [], 0
        if len(part) > LONGEST:
            yield from smaller(part)
        else:
            size += len(part) + len(glue) * bool(held)
            held.append(part)
    if held:
        yield glue.join(held)


def _meta(others: Record) -> Record:
    """Short plain values of the other columns."""
    kept = {}
    for name, value in list(others.items())[:MOST_META]:
        plain = isinstance(value, str) and 0 < len(value) <= LONGEST_META
        if plain or isinstance(value, bool | int) or _is_finite(value):
            kept[str(name)] = value
    return kept


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)

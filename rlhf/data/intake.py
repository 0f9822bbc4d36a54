"""From a row of a file to what is kept of it, checked: prompts, preferences, passages.

`rlhf ingest` and its preview read files this way; neither the store nor a database is met here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rlhf.data.documents import passages_of
from rlhf.data.files import is_prose, read_rows, refused
from rlhf.data.mapping import Mapped
from rlhf.data.reading.rows import Row, Watch
from rlhf.data.shapes import SHAPES, Shaped, form_of
from rlhf.data.splits import conversation_of, split_of
from rlhf.data.turns import line_transcript
from rlhf.errors import InputError
from rlhf.store import validate
from rlhf.store.adding import DriverRow
from rlhf.store.imports import Imported
from rlhf.store.passages import NewPassage
from rlhf.store.prompts import NewPrompt, row_of

As = Literal["prompts", "conversations", "documents", "preferences", "demonstrations"]

SAME_TEXT = "the two answers are the same"
NO_TEXT = "has no text"
NOTHING_OF_IT = "has nothing of what was asked for"
NOTHING_ANSWERED = "has no answer to learn from"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How files are to be read."""

    kind: As | None = None
    """None: as their columns say; plain text is a transcript if it reads like one, else a
    document."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Column -> field. Without one, columns mean what their names say."""
    heldout_share: float = 0.15


@dataclass(slots=True)
class Found:
    """What one row holds."""

    form: str
    prompts: list[DriverRow] = field(default_factory=list)
    """As the store takes them."""
    judged: list[Imported] = field(default_factory=list)
    passages: list[NewPassage] = field(default_factory=list)
    rankings: int = 0
    ranked: int = 0
    pairs: int = 0
    unsaid: list[str] = field(default_factory=list)
    """Why pairs in the row say nothing."""
    dropped: str | None = None
    """Why nothing of the row is kept."""


@dataclass(slots=True)
class Tally:
    """Sums over rows: `rows` are those that gave something and those of `dropped`."""

    rows: int = 0
    prompts: int = 0
    answered: int = 0
    """Prompts with a reference answer."""
    passages: int = 0
    rankings: int = 0
    ranked: int = 0
    pairs: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    unsaid: Counter[str] = field(default_factory=Counter)

    def add(self, found: Found) -> None:
        """Count one row."""
        self.rows += 1
        self.forms[found.form] += 1
        for one in found.prompts:
            self.prompts += 1
            self.answered += one["reference"] is not None
            self.splits[one["split"]] += 1
        self.passages += len(found.passages)
        self.rankings += found.rankings
        self.ranked += found.ranked
        self.pairs += found.pairs
        self.unsaid.update(found.unsaid)
        if found.dropped is not None:
            self.dropped[found.dropped] += 1


def take_in(file: Path, wanted: Wanted, now: float, watch: Watch | None = None) -> Iterator[Found]:
    """What each row of a file holds. Raises InputError that names file, line and field."""
    if not 0 <= wanted.heldout_share < 1:
        raise InputError("must be at least 0 and below 1", field="heldout_share")
    mapped = Mapped(wanted.mapping)
    prose = is_prose(file)
    for row in read_rows(file, watch):
        try:
            if prose:
                yield from _prose(row, file, wanted, now)
                continue
            documents = wanted.kind == "documents"
            record = mapped.record(row.record, rest=documents)
            yield _document(record, file) if documents else _chat(record, file, wanted, now)
        except InputError as wrong:
            if wrong.file is not None:
                raise
            raise refused(wrong, file, row) from wrong
    if not prose:
        mapped.end(file)


def _prose(row: Row, file: Path, wanted: Wanted, now: float) -> Iterator[Found]:
    """A text file: a transcript, a document, or a prompt a line where prompts are asked for."""
    text = row.record["text"]
    talk = None if wanted.kind == "documents" else line_transcript(text)
    if talk is not None:
        yield _chat({"transcript": text}, file, wanted, now)
    elif wanted.kind in (None, "documents"):
        yield _document(row.record, file)
    elif wanted.kind == "prompts":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    yield _chat({"prompt": line.strip()}, file, wanted, now)
                except InputError as wrong:
                    raise refused(wrong, file, Row(number, {})) from wrong
    else:
        raise InputError(
            "is no transcript",
            fix='Begin each turn with "Customer:" or "Agent:", or say --as documents',
        )


def _document(record: dict[str, Any], file: Path) -> Found:
    found = Found("documents", passages=passages_of(record, file.name))
    for one in found.passages:
        validate.text_field(one.text, "text", longest=validate.PROMPT_CHARS)
    if not found.passages:
        found.dropped = NO_TEXT
    return found


def _chat(record: dict[str, Any], file: Path, wanted: Wanted, now: float) -> Found:
    form = form_of(record)
    found = Found(form.name)
    every = list(form.read(record))
    kept = [one for one in map(_AS[wanted.kind], every) if one is not None]
    for shaped in kept:
        if shaped.messages:
            found.prompts.append(_prompt(shaped, file, wanted.heldout_share, now))
        if shaped.ranked:
            _preferences(found, shaped)
    if not found.prompts:
        every = [] if form is SHAPES["message_tree_id"] else every
        found.dropped = _why_not(every, kept, wanted.kind)
    return found


def _why_not(every: list[Shaped], kept: list[Shaped], kind: As | None) -> str:
    """Why a row gives no prompt: something that it may say, or a mistake (raises InputError)."""
    if kept:
        return kept[0].dropped or NO_TEXT
    if not every:
        return NOTHING_OF_IT
    if kind == "preferences":
        raise InputError(
            "does not say which answer is better",
            fix="Give 'chosen' and 'rejected', or 'responses' in their order",
        )
    if kind == "conversations":
        raise InputError("is a single turn and no conversation", fix="Say --as prompts")
    raise InputError(NOTHING_ANSWERED, fix="Give one, or say --as prompts")


def _plain(shaped: Shaped) -> Shaped:
    return replace(shaped, judged=(), ranked=0)


def _talk(shaped: Shaped) -> Shaped | None:
    turns = len(shaped.messages) + (shaped.reference is not None)
    return _plain(shaped) if turns > 1 else None


def _answered(shaped: Shaped) -> Shaped | None:
    return _plain(shaped) if shaped.reference is not None else None


def _ordered(shaped: Shaped) -> Shaped | None:
    return shaped if shaped.ranked else None


def _whole(shaped: Shaped) -> Shaped:
    return shaped


_AS: dict[As | None, Callable[[Shaped], Shaped | None]] = {
    None: _whole,
    "prompts": _plain,
    "conversations": _talk,
    "demonstrations": _answered,
    "preferences": _ordered,
}


def _prompt(shaped: Shaped, file: Path, heldout_share: float, now: float) -> DriverRow:
    if not any(one["role"] == "user" for one in shaped.messages):
        raise InputError("must have a user turn", field="messages")
    new = NewPrompt(
        messages=shaped.messages,
        reference=shaped.reference,
        source=file.name,
        conversation=conversation_of(shaped.messages),
        split=split_of(shaped.messages, heldout_share),
    )
    return row_of(new, now)


def _preferences(found: Found, shaped: Shaped) -> None:
    found.rankings += 1
    found.ranked += shaped.ranked
    found.pairs += len(shaped.judged) or 1
    if shaped.dropped is not None:
        found.unsaid.append(shaped.dropped)
    for one in shaped.judged:
        if one.better == one.worse:
            found.unsaid.append(SAME_TEXT)
            continue
        for name, answer in (("chosen", one.better), ("rejected", one.worse)):
            if answer is not None:
                validate.text_field(answer, name, longest=validate.RESPONSE_CHARS, empty=True)
        digest = found.prompts[-1]["digest"]
        found.judged.append(Imported(digest, one.better, one.worse, one.strength, one.judge))

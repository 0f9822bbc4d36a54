"""`rlhf ingest`: files of prompts, conversations and preferences into the store, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlhf.data.files import Row, read_rows
from rlhf.data.shapes import Shaped, shape
from rlhf.data.splits import conversation_of, split_of
from rlhf.errors import InputError
from rlhf.store import Store, validate
from rlhf.store.imports import Imported, Kept, add_preferences
from rlhf.store.prompts import NewPrompt, add_prompts, digest_of

Progress = Callable[[int, int, str], None]

SAME_TEXT = "the two answers are the same"
CONTRADICTING = "contradicts what the same judge said before"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What came of the preferences: pairs = added + known + the sum of `dropped`."""

    rankings: int = 0
    """Prompts in the files with answers in an order: of two answers, of more, or of a single one
    that was called good or bad."""
    ranked: int = 0
    """Answers in those orders; one of K answers gives K (K - 1) / 2 pairs, less for ties."""
    pairs: int = 0
    added: int = 0
    known: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an ingest: prompts = added + duplicates, and splits add up to prompts."""

    rows: int
    """Records in the files."""
    prompts: int
    """Prompts in the records: one each, more in a tree, none in one that is dropped."""
    added: int
    duplicates: int
    splits: dict[str, int]
    """Prompts per split, duplicates included."""
    preferences: Preferences


@dataclass(slots=True)
class _Read:
    """What the files held, before anything is stored."""

    rows: int = 0
    prompts: list[NewPrompt] = field(default_factory=list)
    judged: dict[str, list[Imported]] = field(default_factory=dict)
    """By the name of the file."""
    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def ingest(
    store: Store,
    files: Sequence[Path],
    *,
    heldout_share: float = 0.15,
    progress: Progress | None = None,
) -> Report:
    """Read every file, then store all prompts and preferences in one transaction.

    `progress(files done, files, name)`. Raises InputError that names file, line and field; then
    nothing was stored. The same file again adds nothing.
    """
    if not 0 <= heldout_share < 1:
        raise InputError("must be at least 0 and below 1", field="heldout_share")
    read = _Read()
    for number, file in enumerate(files, start=1):
        for row in read_rows(file):
            _take(read, row, file, heldout_share)
        if progress:
            progress(number, len(files), file.name)
    with store.write() as tx:
        told = add_prompts(tx, read.prompts)
        kept = [add_preferences(tx, name, judged) for name, judged in read.judged.items()]
    return Report(
        rows=read.rows,
        prompts=len(read.prompts),
        added=told.added,
        duplicates=told.duplicate,
        splits=dict(Counter(one.split for one in read.prompts)),
        preferences=_preferences(read, kept),
    )


def _preferences(read: _Read, kept: Sequence[Kept]) -> Preferences:
    contradicting = sum(one.contradicting for one in kept)
    dropped = read.dropped + Counter({CONTRADICTING: contradicting})
    return Preferences(
        rankings=read.counts["rankings"],
        ranked=read.counts["ranked"],
        pairs=read.counts["pairs"],
        added=sum(one.added for one in kept),
        known=sum(one.known for one in kept),
        dropped=dict(dropped),
    )


def _take(read: _Read, row: Row, file: Path, heldout_share: float) -> None:
    """Check a record and keep what it holds. Raises InputError with file and line."""
    read.rows += 1
    try:
        for shaped in shape(row):
            if shaped.messages:
                read.prompts.append(_prompt(shaped, file, heldout_share))
            _take_preferences(read, shaped, file)
    except InputError as wrong:
        raise InputError(
            wrong.problem, file=file, line=row.line, field=wrong.field, fix=wrong.fix
        ) from wrong


def _prompt(shaped: Shaped, file: Path, heldout_share: float) -> NewPrompt:
    messages = validate.messages_field(shaped.messages)
    if shaped.reference is not None:
        validate.text_field(shaped.reference, "reference", longest=validate.RESPONSE_CHARS)
    return NewPrompt(
        messages=messages,
        reference=shaped.reference,
        source=file.name,
        conversation=conversation_of(messages),
        split=split_of(messages, heldout_share),
    )


def _take_preferences(read: _Read, shaped: Shaped, file: Path) -> None:
    if not shaped.ranked:
        return
    read.counts["rankings"] += 1
    read.counts["ranked"] += shaped.ranked
    read.counts["pairs"] += len(shaped.judged) or 1
    if shaped.dropped is not None:
        read.dropped[shaped.dropped] += 1
    for one in shaped.judged:
        if one.better == one.worse:
            read.dropped[SAME_TEXT] += 1
            continue
        for name, answer in (("chosen", one.better), ("rejected", one.worse)):
            if answer is None:
                continue
            validate.text_field(answer, name, longest=validate.RESPONSE_CHARS, empty=True)
        read.judged.setdefault(file.name, []).append(
            Imported(digest_of(shaped.messages), one.better, one.worse, one.strength, one.judge)
        )

"""`rlhf ingest`: files of prompts, conversations, documents and preferences into the store.

All or nothing: every row is read and checked first and waits on disk (`spool`); then one short
transaction stores all of it, so that annotators wait for seconds at most while it is copied.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlhf.data.finding import find_files
from rlhf.data.intake import Tally, Wanted, take_in
from rlhf.data.spool import Spool
from rlhf.store import Store, answers, passages, prompts
from rlhf.store.imports import add_preferences

Progress = Callable[[int, int, str], None]

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
    """What came of an ingest.

    rows = those that gave something + the sum of `dropped`; prompts = added + other_answers
    + duplicates, and splits add up to prompts; passages = passages_added + passages_known.
    """

    files: int
    rows: int
    """Records in the files."""
    dropped: dict[str, int]
    """Rows of which nothing is kept, by reason."""
    forms: dict[str, int]
    """Rows by the shape that was recognised."""
    prompts: int
    """Prompts in the records: one each, more in a tree, none in one that is dropped."""
    added: int
    other_answers: int
    """Prompts that were there, with an answer that was not."""
    duplicates: int
    """Prompts that were there, without an answer or with one that was there too."""
    splits: dict[str, int]
    """Prompts per split, duplicates included."""
    passages: int
    passages_added: int
    passages_known: int
    preferences: Preferences


@dataclass(slots=True)
class _Stored:
    prompts: int = 0
    answers: int = 0
    passages: int = 0
    added: int = 0
    known: int = 0
    contradicting: int = 0


def ingest(
    store: Store,
    paths: Sequence[Path],
    wanted: Wanted | None = None,
    *,
    room: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Read files, folders and patterns, then store all of it in one transaction.

    `progress(done, total, what)` counts bytes while reading, then rows while storing. What was
    read waits in `room`, about as large as the files. Raises InputError that names file, line and
    field; then nothing was stored. The same file again adds nothing.
    """
    wanted = wanted or Wanted()
    files = find_files(paths)
    tally, now = Tally(), time.time()
    with Spool(room) as spool:
        _read(files, wanted, spool, tally, now, progress)
        stored = _store(store, spool, tally.rows, now, progress)
    return _report(len(files), tally, stored)


def _read(
    files: Sequence[Path],
    wanted: Wanted,
    spool: Spool,
    tally: Tally,
    now: float,
    progress: Progress | None,
) -> None:
    sizes = [_size(file) for file in files]
    before, total = 0, sum(sizes)
    for file, size in zip(files, sizes, strict=True):

        def watch(done: int, before: int = before, name: str = file.name) -> None:
            if progress:
                progress(before + done, total, f"bytes, {name}")

        for found in take_in(file, wanted, now, watch):
            tally.add(found)
            spool.add(found, file.name, now)
        before += size
        watch(0, before)


def _size(file: Path) -> int:
    """Bytes; what cannot be looked at is refused when its turn comes."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _store(store: Store, spool: Spool, rows: int, now: float, progress: Progress | None) -> _Stored:
    stored, done = _Stored(), 0
    with store.write() as tx:
        for batch in spool.batches():
            fresh = prompts.add_rows(tx, batch.prompts)
            stored.prompts += fresh
            if fresh < len(batch.prompts):
                stored.answers += answers.add_others(tx, batch.prompts)
            stored.passages += passages.add_rows(tx, batch.passages)
            for source, judged in batch.judged.items():
                kept = add_preferences(tx, source, judged, now=now)
                stored.added += kept.added
                stored.known += kept.known
                stored.contradicting += kept.contradicting
            done += batch.rows
            if progress:
                progress(done, rows, "rows stored")
    return stored


def _report(files: int, tally: Tally, stored: _Stored) -> Report:
    unsaid = tally.unsaid + Counter({CONTRADICTING: stored.contradicting})
    return Report(
        files=files,
        rows=tally.rows,
        dropped=dict(tally.dropped),
        forms=dict(tally.forms),
        prompts=tally.prompts,
        added=stored.prompts,
        other_answers=stored.answers,
        duplicates=tally.prompts - stored.prompts - stored.answers,
        splits=dict(tally.splits),
        passages=tally.passages,
        passages_added=stored.passages,
        passages_known=tally.passages - stored.passages,
        preferences=Preferences(
            rankings=tally.rankings,
            ranked=tally.ranked,
            pairs=tally.pairs,
            added=stored.added,
            known=stored.known,
            dropped=dict(unsaid),
        ),
    )

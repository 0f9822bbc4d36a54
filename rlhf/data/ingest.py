"""`rlhf ingest`: files of prompts, conversations, documents and preferences into the store.

Every row is read and checked first and waits on disk (`spool`), so that a mistake anywhere keeps
all of it out. Then it is stored in transactions of five seconds, between which annotators write.
An ingest that is killed among them goes on when the same files come again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlhf.data.finding import find_files
from rlhf.data.intake import Tally, Wanted, take_in
from rlhf.data.spool import Batch, Spool
from rlhf.errors import RLHFError
from rlhf.store import Connection, Store, answers, passages, prompts
from rlhf.store.imports import add_preferences

Progress = Callable[[int, int, str], None]

HELD_S = 5.0
"""Seconds after which a transaction ends, with the rows in hand."""
PAUSE_S = 0.12
"""Seconds between two. Who waits for SQLite looks every 0.1 s whether it is free."""

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
    rows: int = 0
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
    """Read files, folders and patterns, then store all of it.

    `progress(done, total, what)` counts bytes while reading, then rows while storing. What was
    read waits in `room`, about as large as the files. Raises InputError that names file, line and
    field; then nothing was stored. RLHFError says how much was, where the database cannot go on.
    The same file again adds what is not there.
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
    stored, batches = _Stored(), spool.batches()
    batch, kept = next(batches, None), 0
    try:
        while batch is not None:
            with store.write() as tx:
                until = time.monotonic() + HELD_S
                while batch is not None:
                    _add(tx, batch, now, stored)
                    if progress:
                        progress(stored.rows, rows, "rows stored")
                    batch = next(batches, None)
                    if time.monotonic() >= until:
                        break
            kept = stored.rows
            if batch is not None:
                time.sleep(PAUSE_S)
    except RLHFError as trouble:
        if not kept:
            raise
        raise RLHFError(
            f"{kept:,} of {rows:,} rows were stored before this: {trouble}. "
            "The same files again add the others"
        ) from trouble
    return stored


def _add(tx: Connection, batch: Batch, now: float, stored: _Stored) -> None:
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
    stored.rows += batch.rows


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

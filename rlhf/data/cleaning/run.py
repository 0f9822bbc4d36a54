"""`rlhf clean`: from the raw rows of the store to an immutable data set, in bounded memory.

Read and mend, find boilerplate, judge, let copies go, balance, write, prove that nothing leaks.
Work on single rows is spread over processes; what comes out does not depend on how many.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rlhf.data.cleaning import balance, decide, leaks, passes, report, topics, words
from rlhf.data.cleaning.boilerplate import repeated
from rlhf.data.cleaning.filters import languages_known
from rlhf.data.cleaning.privacy import NAMES_ARE_NOT_FOUND
from rlhf.data.cleaning.processes import pool_of, processes_for, spread
from rlhf.data.cleaning.whole import Whole, gather
from rlhf.data.cleaning.words import I64
from rlhf.data.cleaning.writing import write_rows
from rlhf.data.datasets import PLOT, REPORT, Dataset, publish
from rlhf.errors import RLHFError, UsageError
from rlhf.locking import held_alone
from rlhf.settings import Clean
from rlhf.store import Store
from rlhf.store import datasets as stored

Progress = Callable[[int, int, str], None]

CHUNK = 4000
"""Rows that a process works on at a time."""
PHASES = 4
"""Times that all rows are gone through: mend, judge, write, look for leaks."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of it; `dataset` is None where nothing was to be written."""

    report: dict[str, Any]
    dataset: Dataset | None


class _Bar:
    """Counts rows over all phases."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, max(1, total), progress
        self.phase("reading")

    def phase(self, text: str) -> None:
        """Say what comes now."""
        self._text = text
        self.step(0)

    def end(self) -> None:
        """Everything is done, the rows that there was nothing to do for as well."""
        self.step(self._total)

    def step(self, rows: int) -> None:
        """So many rows are done."""
        self._done = min(self._done + rows, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total, self._text)


def clean(
    store: Store,
    home: Path,
    settings: Clean,
    *,
    seed: int = 0,
    dry_run: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Cleaned:
    """Clean all raw rows into a data set, or with `dry_run` only say what would come of it.

    The same rows and settings give the same data set. processes: as many as there are cores, where
    not given. Raises UsageError where nothing would be left, or where a cleaning runs already;
    RLHFError where rows of two splits are the same. Then nothing was written.
    """
    _check_languages(settings)
    with store.read() as tx:
        counts, last = stored.count_rows(tx), stored.last_rows(tx)
    count = sum(counts.values())
    if not count:
        raise UsageError("there are no rows to clean. Bring some with `rlhf ingest` first")
    bar = _Bar(PHASES * count, progress)
    with _work_folder(home) as work:
        fresh = work / "dataset"
        fresh.mkdir()
        several = processes_for(count) if processes is None else processes
        plain = _written(store, last, work, fresh, settings, seed, several, bar)
        if not plain["kept"]:
            raise UsageError(f"no row would be left: {_reasons(plain['dropped'])}")
        bar.phase("proving that nothing leaks")
        plain["leaks"] = _proven(leaks.leaks_in(fresh, bar.step))
        bar.end()
        if dry_run:
            return Cleaned(plain, None)
        return Cleaned(plain, _published(store, home, fresh, plain))


def _written(
    store: Store,
    last: dict[stored.Kind, int],
    work: Path,
    fresh: Path,
    settings: Clean,
    seed: int,
    processes: int,
    bar: _Bar,
) -> dict[str, Any]:
    """Fill `fresh` with the rows and actions, and report. What is known of all rows ends here."""
    whole = _both_passes(store, last, work, settings, processes, bar)
    told, found = _decided(whole, work, settings, seed, bar)
    bar.phase("writing")
    actions = write_rows(fresh, work, whole, told, bar.step)
    return _report(whole, told, found, actions, settings, seed)


def _both_passes(
    store: Store,
    last: dict[stored.Kind, int],
    work: Path,
    settings: Clean,
    processes: int,
    bar: _Bar,
) -> Whole:
    with pool_of(processes) as pool:
        edges = []
        raw = enumerate(_raw_chunks(store, last))
        mend = (partial(passes.first_pass, rows, work, number) for number, rows in raw)
        for edge in spread(pool, mend, processes):
            edges.append(edge)
            bar.step(edge.rows)
        bar.phase("cleaning")
        known = _boilerplate(edges, settings)
        judge = (
            partial(passes.second_pass, work, number, settings, known)
            for number in range(len(edges))
        )
        return gather(_counted(spread(pool, judge, processes), bar), work)


def _counted(figures: Iterable[passes.Figures], bar: _Bar) -> Iterator[passes.Figures]:
    for one in figures:
        bar.step(len(one.rows))
        yield one


def _boilerplate(edges: list[passes.Edges], settings: Clean) -> frozenset[int]:
    if settings.boilerplate is None:
        return frozenset()
    conversations = len(words.distinct(np.concatenate([one.all_conversations for one in edges])))
    pairs = ((one.lines, one.conversations) for one in edges)
    return frozenset(repeated(pairs, settings.boilerplate, conversations).tolist())


def _decided(
    whole: Whole, work: Path, settings: Clean, seed: int, bar: _Bar
) -> tuple[decide.Decisions, topics.Topics]:
    bar.phase("comparing rows")
    told = decide.decide(whole, settings)
    bar.phase("finding topics")
    chosen = topics.sample(np.flatnonzero(whole.has_answer & told.stays))
    found = (
        topics.find(whole.terms, chosen, _texts(work, whole, chosen), settings.topics, seed)
        if len(chosen)
        else topics.Topics(["no words"], np.zeros(len(whole.rows), np.int64))
    )
    if settings.balance is not None:
        groups, names = _groups(whole, found)[settings.balance]
        decide.balance(told, whole, groups, settings.balance_ratio, names)
    return told, found


def _groups(whole: Whole, found: topics.Topics) -> dict[str, tuple[I64, list[str]]]:
    return {
        "source": (whole.sources, whole.source_names),
        "topic": (found.of, found.names),
        "length": (balance.length_groups(whole.lengths), balance.length_names()),
    }


def _texts(work: Path, whole: Whole, chosen: I64) -> list[list[str]]:
    """The words of some rows."""
    found: list[list[str]] = []
    start = 0
    for chunk, size in enumerate(whole.chunks):
        mine = chosen[(chosen >= start) & (chosen < start + size)] - start
        if len(mine):
            rows = passes.chunk_rows(work, chunk).take(mine).to_pylist()
            found += [
                words.words(" ".join(one["content"] for one in row["messages"]) or row["text"])
                for row in rows
            ]
        start += size
    return found


def _report(
    whole: Whole,
    told: decide.Decisions,
    found: topics.Topics,
    actions: Counter[tuple[str, str]],
    settings: Clean,
    seed: int,
) -> dict[str, Any]:
    train = told.stays & (told.split == decide.TRAIN)
    names = {"train": decide.TRAIN, "validation": decide.VALIDATION, "test": decide.TEST}
    masked = report.by_reason(actions, "masked")
    return {
        "rows": len(whole.rows),
        "kept": int(told.stays.sum()),
        "splits": {
            name: int((told.stays & (told.split == split)).sum()) for name, split in names.items()
        },
        "dropped": report.by_reason(actions, "dropped"),
        "changed": report.by_reason(actions, "changed"),
        "masked": {
            kind: {"rows": rows, "values": whole.values_masked[kind]}
            for kind, rows in masked.items()
        },
        "boilerplate": [
            {"line": line, "rows": rows}
            for line, rows in sorted(whole.boilerplate.items(), key=lambda one: (-one[1], one[0]))
        ][: report.BOILERPLATE_SHOWN],
        "tables": {
            name: report.table(groups, group_names, whole.has_answer, told.stays, train)
            for name, (groups, group_names) in _groups(whole, found).items()
        },
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "limits": [NAMES_ARE_NOT_FOUND],
    }


def _proven(found: leaks.Leaks) -> dict[str, int]:
    if not found.none:
        raise RLHFError(
            f"rows leak between the splits: {found.conversations} conversations are in two of "
            f"them and {found.pairs} rows are like one of another "
            f"({'; '.join(found.examples) or 'no pairs'}). Nothing was written. Lower "
            "clean.near_duplicates, so that rows like these count as copies"
        )
    return {"rows": found.rows, "conversations": found.conversations, "pairs": found.pairs}


def _published(store: Store, home: Path, fresh: Path, plain: dict[str, Any]) -> Dataset:
    written = json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
    (fresh / REPORT).write_text(written, encoding="utf-8")
    report.draw(plain, fresh / PLOT)
    digest = publish(home, fresh)
    with store.write() as tx:
        stored.record_dataset(tx, digest=digest, settings=plain["settings"], report=plain)
    return Dataset(digest, home / "datasets" / digest, plain)


def _reasons(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())


def _check_languages(settings: Clean) -> None:
    strange = sorted(set(settings.languages) - languages_known()) if settings.languages else []
    if strange:
        raise UsageError(
            f"clean.languages: '{strange[0]}' is not a language that can be told; "
            f"known are {', '.join(sorted(languages_known()))}"
        )


def _raw_chunks(store: Store, last: dict[stored.Kind, int]) -> Iterator[list[stored.RawRow]]:
    """All rows that were there at the start: chats by id, other answers, then passages."""
    for kind, end in last.items():
        after = 0
        while after < end:
            with store.read() as tx:
                rows = [one for one in stored.READERS[kind](tx, after, CHUNK) if one.row <= end]
            if not rows:
                break
            yield rows
            after = rows[-1].row


@contextmanager
def _work_folder(home: Path) -> Iterator[Path]:
    """A folder of one's own, gone at the end; what a killed cleaning left is cleared away first.

    Raises UsageError while another cleaning runs.
    """
    (home / "tmp").mkdir(mode=0o700, exist_ok=True)

    def taken(owner: str) -> str:
        return f"another `rlhf clean` works on {home} (process {owner}). Wait for it to end"

    with held_alone(home / "tmp" / "clean.lock", taken):
        for left in (home / "tmp").glob("clean-*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=home / "tmp", prefix="clean-") as work:
            yield Path(work)

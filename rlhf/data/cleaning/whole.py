"""The figures of all chunks together; what is large lies in files of the work folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from rlhf.data.cleaning.passes import Figures
from rlhf.data.cleaning.words import I64, U32, U64, Sets
from rlhf.store.datasets import Kind

KINDS: tuple[Kind, ...] = get_args(Kind)
PASSAGE = KINDS.index("passage")
SETS = ("whole", "answers", "questions", "terms")
SKETCHES = ("sketches", "question_sketches")
_COLUMNS = (
    "rows",
    "conversations",
    "heldout",
    "has_answer",
    "dropped",
    "lengths",
    "exact",
    "same_words",
    "beginnings",
)


@dataclass(frozen=True, slots=True)
class Whole:
    """What `Figures` says of a chunk, for all n rows in their order: by kind, then by id."""

    chunks: list[int]
    """How many rows each chunk has."""
    kinds: NDArray[np.int8]
    """Places in KINDS."""
    rows: I64
    source_names: list[str]
    sources: I64
    conversations: U64
    heldout: NDArray[np.bool_]
    has_answer: NDArray[np.bool_]
    dropped: NDArray[np.bool_]
    lengths: I64
    exact: U64
    same_words: U64
    beginnings: U64
    whole: Sets
    answers: Sets
    questions: Sets
    terms: Sets
    sketches: U32
    question_sketches: U32
    boilerplate: Counter[str]
    values_masked: Counter[str]

    def name(self, place: int) -> str:
        """A row as people name it: chat:17."""
        return f"{KINDS[self.kinds[place]]}:{self.rows[place]}"


def gather(parts: Iterable[Figures], folder: Path) -> Whole:
    """Put the chunks' figures behind each other as they come."""
    names: dict[str, int] = {}
    columns: dict[str, list[NDArray[Any]]] = {}
    boilerplate: Counter[str] = Counter()
    values: Counter[str] = Counter()
    with ExitStack() as stack:
        files = {
            name: stack.enter_context((folder / name).open("wb")) for name in (*SETS, *SKETCHES)
        }
        for part in parts:
            kinds = [KINDS.index(kind) for kind in part.kinds]
            columns.setdefault("kinds", []).append(np.array(kinds, np.int8))
            numbers = [names.setdefault(one, len(names)) for one in part.sources]
            columns.setdefault("sources", []).append(np.array(numbers, np.int64))
            for name in _COLUMNS:
                columns.setdefault(name, []).append(getattr(part, name))
            for name in SETS:
                sets: Sets = getattr(part, name)
                sets.values.tofile(files[name])
                columns.setdefault(name, []).append(sets.sizes())
            for name in SKETCHES:
                getattr(part, name).tofile(files[name])
            boilerplate.update(part.boilerplate)
            values.update(part.values_masked)
    chunks = [len(one) for one in columns["rows"]]
    joined: dict[str, Any] = {name: np.concatenate(columns.pop(name)) for name in list(columns)}
    for name in SETS:
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(joined[name])])
        joined[name] = Sets(_on_disk(folder / name), bounds)
    for name in SKETCHES:
        joined[name] = _on_disk(folder / name).reshape(sum(chunks), -1)
    return Whole(
        chunks=chunks,
        source_names=list(names),
        boilerplate=boilerplate,
        values_masked=values,
        **joined,
    )


def _on_disk(file: Path) -> U32:
    """Numbers that stay in their file until they are looked at."""
    return np.memmap(file, np.uint32, "r") if file.stat().st_size else np.empty(0, np.uint32)

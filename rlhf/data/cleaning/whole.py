"""The figures of all chunks together; what is large lies in files of the work folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhf.data.cleaning.passes import Figures
from rlhf.data.cleaning.words import I64, U32, U64, Sets

SETS = ("whole", "answers", "questions", "terms")


@dataclass(frozen=True, slots=True)
class Whole:
    """What `Figures` says of a chunk, for all n rows in their order: chats by id, then passages."""

    chunks: list[int]
    """How many rows each chunk has."""
    chat: NDArray[np.bool_]
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
        return f"{'chat' if self.chat[place] else 'passage'}:{self.rows[place]}"


def gather(parts: Iterable[Figures], folder: Path) -> Whole:
    """Put the chunks' figures behind each other as they come."""
    names: dict[str, int] = {}
    columns: dict[str, list[NDArray[Any]]] = {}
    boilerplate: Counter[str] = Counter()
    values: Counter[str] = Counter()
    files = {name: (folder / f"{name}.sets").open("wb") for name in SETS}
    try:
        for part in parts:
            columns.setdefault("chat", []).append(np.array([k == "chat" for k in part.kinds]))
            numbers = [names.setdefault(one, len(names)) for one in part.sources]
            columns.setdefault("sources", []).append(np.array(numbers, np.int64))
            for name in _COLUMNS:
                columns.setdefault(name, []).append(getattr(part, name))
            for name, file in files.items():
                sets: Sets = getattr(part, name)
                sets.values.tofile(file)
                columns.setdefault(name, []).append(sets.sizes())
            boilerplate.update(part.boilerplate)
            values.update(part.values_masked)
    finally:
        for file in files.values():
            file.close()
    chunks = [len(one) for one in columns["rows"]]
    joined: dict[str, Any] = {name: np.concatenate(columns.pop(name)) for name in list(columns)}
    for name in SETS:
        joined[name] = _on_disk(folder / f"{name}.sets", joined[name])
    return Whole(
        chunks=chunks,
        source_names=list(names),
        boilerplate=boilerplate,
        values_masked=values,
        **joined,
    )


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
    "sketches",
    "question_sketches",
)


def _on_disk(file: Path, sizes: I64) -> Sets:
    """Sets whose members stay in their file until they are looked at."""
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    if bounds[-1] == 0:
        return Sets(np.empty(0, np.uint32), bounds)
    return Sets(np.memmap(file, np.uint32, "r"), bounds)

"""The two passes over a chunk of rows, as a process of its own runs them.

A chunk lies in the work folder as Arrow files between the passes, so that no process ever holds
more than one chunk's texts. What the whole needs to know of a chunk comes back as arrays.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlhf.data.cleaning import near, words
from rlhf.data.cleaning.boilerplate import edge_lines
from rlhf.data.cleaning.rows import Action, Notes, Row, judged, mended
from rlhf.data.cleaning.terms import terms
from rlhf.data.cleaning.words import I64, U32, U64, Sets
from rlhf.data.datasets import ACTIONS_SCHEMA, ROWS_SCHEMA

if TYPE_CHECKING:
    from rlhf.settings import Clean
    from rlhf.store.datasets import RawRow

WORK_SCHEMA = ROWS_SCHEMA.append(pa.field("heldout", pa.bool_())).append(
    pa.field("dropped", pa.bool_())
)


@dataclass(frozen=True, slots=True)
class Edges:
    """What the first pass saw at the edges of a chunk's texts: a line and the conversation it
    stands in, k of them."""

    rows: int
    lines: U64
    conversations: U64
    all_conversations: U64
    """Of each row that is left, whether it has such lines or not."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the whole needs to know of a chunk of n rows."""

    kinds: list[str]
    rows: I64
    sources: list[str]
    conversations: U64
    heldout: NDArray[np.bool_]
    has_answer: NDArray[np.bool_]
    """Whether there is anything to learn in the row as it came."""
    dropped: NDArray[np.bool_]
    lengths: I64
    """Characters after cleaning."""
    exact: U64
    """A hash of the cleaned row."""
    same_words: U64
    """A hash of its words alone; 0 where it has none."""
    beginnings: U64
    """Hashes of what conversations begin with: one up to each answer but the last."""
    whole: Sets
    """Pairs of neighbouring words."""
    answers: Sets
    """Those of the final answers; empty for passages."""
    questions: Sets
    """Those of the first questions; empty for passages."""
    sketches: U32
    question_sketches: U32
    terms: Sets
    """Words that tell topics apart; of dropped rows too."""
    boilerplate: Counter[str]
    values_masked: Counter[str]


def hash64(text: str) -> int:
    """64 bits of a text."""
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def first_pass(raw: Sequence[RawRow], folder: Path, chunk: int) -> Edges:
    """Mend the rows of a chunk and put them into the work folder."""
    notes = Notes()
    rows = [mended(one, notes) for one in raw]
    _write_rows(folder / f"mended-{chunk:06}.arrow", rows)
    _write_actions(folder / f"mended-{chunk:06}.actions.arrow", notes.actions)
    pairs = [
        (line, hash64(row.conversation))
        for row in rows
        if not row.dropped
        for line in sorted(_edges(row))
    ]
    both = np.array(pairs, np.uint64).reshape(-1, 2)
    left = [hash64(row.conversation) for row in rows if not row.dropped]
    return Edges(len(rows), both[:, 0], both[:, 1], np.array(left, np.uint64))


def second_pass(folder: Path, chunk: int, settings: Clean, boilerplate: frozenset[int]) -> Figures:
    """Judge the rows of a chunk, put them back, and return what the whole needs to know."""
    notes = Notes()
    file = folder / f"mended-{chunk:06}.arrow"
    rows = [Row(**one) for one in read_table(file).to_pylist()]
    has_answer = np.array([not row.dropped for row in rows], np.bool_)
    for row in rows:
        judged(row, settings, boilerplate, notes)
    _write_rows(folder / f"judged-{chunk:06}.arrow", rows)
    _write_actions(folder / f"judged-{chunk:06}.actions.arrow", notes.actions)
    file.unlink()
    return _figures(rows, has_answer, notes)


def chunk_rows(folder: Path, chunk: int) -> pa.Table:
    """The rows of a chunk after both passes."""
    return read_table(folder / f"judged-{chunk:06}.arrow")


def chunk_actions(folder: Path, chunk: int) -> pa.Table:
    """What both passes did to the rows of a chunk."""
    return pa.concat_tables(
        read_table(folder / f"{step}-{chunk:06}.actions.arrow") for step in ("mended", "judged")
    )


def read_table(file: Path) -> pa.Table:
    """A table that this module wrote, in memory."""
    with pa.OSFile(str(file)) as data:
        return pa.ipc.open_file(data).read_all()


def _edges(row: Row) -> set[int]:
    return set().union(*(edge_lines(text) for text in row.texts()))


def _figures(rows: Sequence[Row], has_answer: NDArray[np.bool_], notes: Notes) -> Figures:
    count = len(rows)
    spoken, owners, answers, questions = [], [], [], []
    plain_words: list[list[str]] = []
    for number, row in enumerate(rows):
        said = [one for one in row.messages if one["role"] != "system"]
        turns = [words.words(one["content"]) for one in said] or [words.words(row.text)]
        plain_words.append([word for turn in turns for word in turn])
        if row.dropped:
            continue
        first = next((place for place, one in enumerate(said) if one["role"] == "user"), None)
        spoken += turns
        owners += [number] * len(turns)
        answers += [
            number if said and place == len(turns) - 1 else -1 for place in range(len(turns))
        ]
        questions += [number if place == first else -1 for place in range(len(turns))]
    pairs = words.runs(*words.hashed(spoken), 2)
    whole, answer, question = (
        words.as_sets(*pairs, np.array(groups, np.int64), count)
        for groups in (owners, answers, questions)
    )
    keys = [_keys(row) for row in rows]
    return Figures(
        kinds=[row.kind for row in rows],
        rows=np.array([row.row for row in rows], np.int64),
        sources=[row.source for row in rows],
        conversations=np.array([hash64(row.conversation) for row in rows], np.uint64),
        heldout=np.array([row.heldout for row in rows], np.bool_),
        has_answer=has_answer,
        dropped=np.array([row.dropped for row in rows], np.bool_),
        lengths=np.array([sum(map(len, row.texts())) for row in rows], np.int64),
        exact=np.array([one[-1] for one in keys], np.uint64),
        same_words=np.array(
            [hash64(" ".join(one)) if one else 0 for one in plain_words], np.uint64
        ),
        beginnings=np.array(
            [
                key
                for row, one in zip(rows, keys, strict=True)
                if not row.dropped
                for key in one[:-1]
            ],
            np.uint64,
        ),
        whole=whole,
        answers=answer,
        questions=question,
        sketches=near.bands(whole),
        question_sketches=near.bands(question),
        terms=terms(plain_words),
        boilerplate=notes.boilerplate,
        values_masked=notes.values_masked,
    )


def _keys(row: Row) -> list[int]:
    """A hash after each answer of a conversation, the last one that of the whole row."""
    if not row.messages:
        return [hash64(row.text)]
    running = hashlib.blake2b(digest_size=8)
    keys = []
    for place, one in enumerate(row.messages):
        plain = f"{one['role']}\x00{one['content']}\x00"
        running.update(plain.encode(errors="surrogatepass"))
        if one["role"] == "assistant" or place == len(row.messages) - 1:
            keys.append(int.from_bytes(running.digest(), "little"))
    return keys


def _write_rows(file: Path, rows: Sequence[Row]) -> None:
    _write(file, _columns(rows, WORK_SCHEMA))


def _write_actions(file: Path, actions: Sequence[Action]) -> None:
    _write(file, _columns(actions, ACTIONS_SCHEMA))


def _columns(rows: Sequence[Row] | Sequence[Action], schema: pa.Schema) -> pa.Table:
    columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
    return pa.Table.from_pydict(columns, schema=schema)


def _write(file: Path, table: pa.Table) -> None:
    with pa.OSFile(str(file), "wb") as data, pa.ipc.new_file(data, table.schema) as writer:
        writer.write_table(table)

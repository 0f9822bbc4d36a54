"""`rlhf ingest`: files of prompts and conversations into the store, all of them or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhf.data.files import Row, read_rows
from rlhf.data.shapes import shape
from rlhf.data.splits import split_of
from rlhf.errors import InputError
from rlhf.store import Store, validate
from rlhf.store.prompts import NewPrompt, add_prompts

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an ingest: prompts = added + duplicates, and splits add up to prompts."""

    rows: int
    """Records in the files."""
    prompts: int
    """Prompts in the records: one each, more in a tree."""
    added: int
    duplicates: int
    splits: dict[str, int]
    """Prompts per split, duplicates included."""


def ingest(
    store: Store,
    files: Sequence[Path],
    *,
    heldout_share: float = 0.15,
    progress: Progress | None = None,
) -> Report:
    """Read every file, then store all prompts in one transaction.

    `progress(files done, files, name)`. Raises InputError that names file, line and field; then
    nothing was stored. The same file again adds nothing.
    """
    if not 0 <= heldout_share < 1:
        raise InputError("must be at least 0 and below 1", field="heldout_share")
    rows = 0
    new: list[NewPrompt] = []
    for number, file in enumerate(files, start=1):
        for row in read_rows(file):
            rows += 1
            new += _prompts(row, file, heldout_share)
        if progress:
            progress(number, len(files), file.name)
    with store.write() as tx:
        told = add_prompts(tx, new)
    return Report(
        rows=rows,
        prompts=len(new),
        added=told.added,
        duplicates=told.duplicate,
        splits=dict(Counter(one.split for one in new)),
    )


def _prompts(row: Row, file: Path, heldout_share: float) -> Iterator[NewPrompt]:
    try:
        for shaped in shape(row):
            messages = validate.messages_field(shaped.messages)
            if shaped.reference is not None:
                longest = validate.RESPONSE_CHARS
                validate.text_field(shaped.reference, "reference", longest=longest)
            yield NewPrompt(
                messages=messages,
                reference=shaped.reference,
                source=file.name,
                split=split_of(messages, heldout_share),
            )
    except InputError as wrong:
        raise InputError(
            wrong.problem, file=file, line=row.line, field=wrong.field, fix=wrong.fix
        ) from wrong

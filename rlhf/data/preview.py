"""What an ingest of a file would take, before anything is written: for `--dry-run` and the page."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rlhf.data.files import is_prose, read_rows
from rlhf.data.intake import As, Found, Tally, Wanted, take_in
from rlhf.data.reading.rows import Watch, shown

SAMPLES = 3
LONGEST_SAMPLE = 400


@dataclass(frozen=True, slots=True)
class Preview:
    """One file, read to its end and checked; `rows` are those kept and the sum of `dropped`."""

    file: str
    forms: dict[str, int]
    """Recognised shape -> rows of it."""
    columns: tuple[str, ...]
    """Of the first row; none of running text."""
    rows: int
    dropped: dict[str, int]
    prompts: int
    answered: int
    """Prompts with an answer, which can be demonstrations."""
    passages: int
    rankings: int
    pairs: int
    samples: tuple[str, ...]
    """What the first rows would become, as plain text on one line each."""


def preview(
    path: Path,
    as_: As | None = None,
    mapping: Mapping[str, str] | None = None,
    watch: Watch | None = None,
) -> Preview:
    """Read all of a file and store nothing; `watch` is told the bytes that were read.

    Raises InputError as the ingest would.
    """
    tally = Tally()
    samples: list[str] = []
    wanted = Wanted(as_, mapping or {})
    for found in take_in(path, wanted, time.time(), watch):
        tally.add(found)
        if len(samples) < SAMPLES and found.dropped is None:
            samples.append(_sample(found))
    return Preview(
        file=str(path),
        forms=dict(tally.forms),
        columns=_columns(path),
        rows=tally.rows,
        dropped=dict(tally.dropped),
        prompts=tally.prompts,
        answered=tally.answered,
        passages=tally.passages,
        rankings=tally.rankings,
        pairs=tally.pairs,
        samples=tuple(samples),
    )


def _columns(path: Path) -> tuple[str, ...]:
    if is_prose(path):
        return ()
    return tuple(shown(name) for name in next(read_rows(path)).record)


def _sample(found: Found) -> str:
    if found.passages:
        return shown(found.passages[0].text, LONGEST_SAMPLE)
    first = found.prompts[0]
    said = [f"{one['role']}: {one['content']}" for one in json.loads(first["messages"])]
    if first["reference"] is not None:
        said.append(f"assistant: {first['reference']}")
    return shown(" | ".join(said), LONGEST_SAMPLE)

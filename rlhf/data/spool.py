"""What an ingest has read and not yet stored: on disk, so that memory does not grow with files.

Reading a million rows takes minutes, in which nobody else could write if they went straight into
the transaction. They wait here instead, checked, and the transaction only copies.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field
from itertools import islice
from pathlib import Path

from rlhf.data.intake import Found
from rlhf.errors import RLHFError
from rlhf.store import passages
from rlhf.store.adding import DriverRow
from rlhf.store.imports import Imported

TOGETHER = 2000
"""Rows of files that are stored at once."""

_written = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class Batch:
    """Rows as the store takes them; preferences by the name of their file."""

    rows: int = 0
    prompts: list[DriverRow] = field(default_factory=list)
    passages: list[DriverRow] = field(default_factory=list)
    judged: dict[str, list[Imported]] = field(default_factory=dict)


class Spool:
    """A nameless file in `room` (else where temporary files go), gone when closed or killed."""

    def __init__(self, room: Path | None) -> None:
        with _in_words():
            self._file = tempfile.TemporaryFile(dir=room)  # noqa: SIM115 (closed on exit)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what a full disk did not take is dropped with the file
            self._file.close()

    def add(self, found: Found, source: str, now: float) -> None:
        """Keep what a row holds. Raises InputError for a passage, RLHFError for a full disk."""
        kept = (
            source,
            found.prompts,
            [passages.row_of(one, now) for one in found.passages],
            [astuple(one) for one in found.judged],
        )
        with _in_words():
            self._file.write(_written(kept).encode() + b"\n")

    def batches(self) -> Iterator[Batch]:
        """All that was added, in its order. Raises RLHFError for a full disk."""
        with _in_words():
            self._file.seek(0)
        while lines := list(islice(self._file, TOGETHER)):
            batch = Batch()
            for line in lines:
                source, prompts, pieces, judged = json.loads(line)
                batch.rows += 1
                batch.prompts += prompts
                batch.passages += pieces
                if judged:
                    batch.judged.setdefault(source, []).extend(Imported(*one) for one in judged)
            yield batch


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as full:
        raise RLHFError(
            f"cannot keep what was read ({full.strerror}). Nothing was changed; make room on "
            "the disk"
        ) from full

"""Progress bars in a terminal, read from the database like every other view of a round."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from rlhf import pace
from rlhf.rounds import ENDED
from rlhf.store import Store, rounds

LOOK_S = 0.5
"""Seconds between two looks at the database."""


class Watcher:
    """Draws one bar per step of the rounds from `round_id` on, in a thread of its own."""

    def __init__(self, store: Store, *, round_id: int | None = None) -> None:
        self._store = store
        self._first = round_id
        self._closing = threading.Event()
        self._ended = threading.Event()
        self._bars: dict[tuple[int, str], TaskID] = {}
        self._progress = Progress(
            TextColumn("round {task.fields[round]}  {task.fields[step]:<12}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
        )
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._progress.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._progress.stop()

    def wait_until_ended(self) -> None:
        """Block until the watched round has ended."""
        self._ended.wait()

    def _follow(self) -> None:
        while True:
            last_look = self._closing.is_set()
            with self._store.read() as tx:
                known = rounds.all_rounds(tx)
            watched = [one for one in known if self._first is None or one.id >= self._first]
            for one in watched[-1:]:
                self._draw(one)
            first = next((one for one in watched if one.id == self._first), None)
            if first is not None and first.state in ENDED:
                self._ended.set()
            if last_look:
                return
            self._closing.wait(LOOK_S)

    def _draw(self, one: rounds.Round) -> None:
        """Bring the newest step's bar up to date and complete the bars before it."""
        step = one.progress.get("step")
        if step is None:
            return
        key = (one.id, str(step))
        if key not in self._bars:
            for earlier in self._bars.values():
                total = self._progress.tasks[earlier].total
                self._progress.update(earlier, completed=total, text="", left="")
            fields = {"round": one.id, "step": step, "text": "", "left": ""}
            self._bars[key] = self._progress.add_task("", **fields)
        self._progress.update(
            self._bars[key],
            completed=one.progress["done"],
            total=one.progress["total"],
            text=one.progress["text"],
            left=pace.in_words(one.progress.get("left_s")),
        )

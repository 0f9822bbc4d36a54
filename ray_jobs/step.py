"""What a runner's step is given and what it hands back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlhf.errors import Superseded
from rlhf.pace import Pace
from rlhf.settings import Settings
from rlhf.store import Connection, Store, metrics, rounds


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one round, seen from inside its runner."""

    home: Path
    store: Store
    round: rounds.Round
    fence: int
    name: str
    settings: Settings
    pace: Pace = field(default_factory=Pace)

    @property
    def folder(self) -> Path:
        """Working folder of the step; survives a kill, so that the next attempt goes on."""
        folder = self.home / "rounds" / str(self.round.id) / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def base(self) -> str:
        """Path or hub id of the frozen base model."""
        return str(self.round.base["path"])

    def owned(self) -> None:
        """Raise Superseded unless this runner's fence is still the round's newest."""
        self.progress(0, 1, "starting")

    def progress(self, done: int, total: int, text: str) -> None:
        """Show people how far the step is, and how long it may take. Raises Superseded."""
        given = (self.round.id, self.fence, self.name, done, total, text)
        with self.store.write() as tx:
            kept = rounds.report_progress(tx, *given, left_s=self.pace.left(done, total))
        self._or_stop(kept)

    def metrics(
        self,
        iteration: int,
        values: dict[str, float],
        sampled: Sequence[metrics.Sampled] = (),
    ) -> None:
        """Stream one iteration's figures and a few responses to the pages. Raises Superseded."""
        mine = (self.round.id, self.fence)
        with self.store.write() as tx:
            kept = metrics.write_metrics(tx, *mine, self.name, iteration, values)
            kept = kept and metrics.keep_samples(tx, *mine, iteration, sampled)
        self._or_stop(kept)

    def _or_stop(self, kept: bool) -> None:
        if not kept:
            raise Superseded(f"round {self.round.id} has a newer owner than fence {self.fence}")


def clear_finished(home: Path, store: Store) -> None:
    """Remove the working folders of all finished steps: what lasts of them is published."""
    for folder in (home / "rounds").glob("*/*"):
        with store.read() as tx:
            step = rounds.step(tx, int(folder.parent.name), folder.name)
        if step is not None and step.finished_at is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _nothing(_: Connection) -> None:
    """The write of a step whose result is its output alone."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished step: what it says, what changes in the round, and rows to write with it."""

    output: dict[str, Any]
    changes: dict[str, Any] = field(default_factory=dict)
    write: Callable[[Connection], None] = _nothing

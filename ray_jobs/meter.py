"""Adds up the progress of tasks that run at the same time. Imports nothing: it starts at once."""

from __future__ import annotations


class Meter:
    """Steps done and in all, over every task that was heard of; a Ray actor."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, int]] = {}

    def tell(self, name: str, done: int, total: int) -> None:
        """A task is `done` steps of `total` far."""
        self._told[name] = (done, total)

    def ended(self, name: str) -> None:
        """A task takes no more steps, though it may have planned some."""
        done, _ = self._told.get(name, (0, 0))
        self._told[name] = (done, done)

    def told(self) -> tuple[int, int]:
        """Steps done and in all."""
        return sum(d for d, _ in self._told.values()), sum(t for _, t in self._told.values())

    def heard(self) -> int:
        """Tasks that were heard of."""
        return len(self._told)

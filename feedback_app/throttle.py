"""Slows down password guessing. Kept in memory: a restart forgives, nothing true is lost."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import BoundedSemaphore, Lock

FAILURES = 5
WINDOW_SECONDS = 15 * 60.0
NAMES = 10_000
"""More names than this are never remembered at once; the oldest go first."""


class Throttle:
    """Counts failures per name, and lets two password checks run at a time.

    A check takes 19 MiB (argon2id); without the turn, many at once would fill the memory.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = Lock()
        self._turns = BoundedSemaphore(2)

    def turn(self) -> BoundedSemaphore:
        """The context in which a password may be checked."""
        return self._turns

    def wait(self, name: str) -> float:
        """Seconds until this name may be tried again."""
        with self._lock:
            recent = self._recent(name)
            return recent[-FAILURES] + WINDOW_SECONDS - _now() if len(recent) >= FAILURES else 0.0

    def failed(self, name: str) -> None:
        """Remember a failure."""
        with self._lock:
            self._failures[name] = [*self._recent(name), _now()]
            self._failures.move_to_end(name)
            while len(self._failures) > NAMES:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name."""
        with self._lock:
            self._failures.pop(name, None)

    def _recent(self, name: str) -> list[float]:
        since = _now() - WINDOW_SECONDS
        return [moment for moment in self._failures.get(name, []) if moment > since]


def _now() -> float:
    return time.monotonic()

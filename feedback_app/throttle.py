"""Slows down password guessing. Kept in memory: a restart forgives, nothing true is lost."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")

FAILURES = 5
WINDOW_SECONDS = 15 * 60.0
NAMES = 10_000
"""More names than this are never remembered at once; the oldest go first."""
LINE = 100
"""Passwords that are checked or wait for their turn: a second or two for the last of them."""


class Busy(Exception):
    """The line is full: too many passwords are being checked."""


class Throttle:
    """Counts failures per name, and lets two password checks run at a time.

    A check takes 19 MiB (argon2id); without the turn, many at once would fill the memory. Who
    waits for a turn holds no thread, so that all other requests go on meanwhile.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = Lock()
        self._turns = CapacityLimiter(2)
        self._in_line = 0

    async def in_turn(self, check: Callable[[], T]) -> T:
        """Run what checks a password. Raises Busy, at once, when the line is full."""
        if self._in_line >= LINE:
            raise Busy
        self._in_line += 1
        try:
            return await to_thread.run_sync(check, limiter=self._turns)
        finally:
            self._in_line -= 1

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

"""How much longer work will take, judged by how fast it went so far."""

from __future__ import annotations

import time

MINUTE, HOUR = 60, 3600


class Pace:
    """Watches one piece of work after the other; a new total, or steps undone, begin a new one."""

    def __init__(self) -> None:
        self._total = 0
        self._begun = (0.0, 0)
        self._last = 0

    def left(self, done: int, total: int, *, now: float | None = None) -> float | None:
        """Seconds to go with `done` steps of `total` behind; None until a step was seen to end."""
        moment = time.monotonic() if now is None else now
        if total != self._total or done < self._last:
            self._total, self._begun = total, (moment, done)
        self._last = done
        start, before = self._begun
        if done == before:
            return None
        return (moment - start) / (done - before) * (total - done)


def in_words(seconds: float | None) -> str:
    """`40 s left`, `3 min left`, `2 h 10 min left`; nothing for None."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s left"
    if whole < HOUR:
        return f"{round(whole / MINUTE)} min left"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min left"

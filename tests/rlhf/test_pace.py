"""How much longer work will take."""

from __future__ import annotations

import pytest

from rlhf.pace import Pace, in_words


def test_the_time_left_follows_from_the_steps_seen_so_far() -> None:
    pace = Pace()
    assert pace.left(4, 10, now=100.0) is None
    assert pace.left(4, 10, now=107.0) is None
    assert pace.left(6, 10, now=110.0) == pytest.approx(20.0)
    assert pace.left(10, 10, now=130.0) == 0.0


def test_other_work_begins_anew() -> None:
    pace = Pace()
    pace.left(0, 2, now=0.0)
    pace.left(2, 2, now=1000.0)
    assert pace.left(0, 50, now=1000.0) is None
    assert pace.left(10, 50, now=1005.0) == pytest.approx(20.0)
    assert pace.left(0, 50, now=1006.0) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.2, "0 s left"),
        (59.4, "59 s left"),
        (59.6, "1 min left"),
        (200, "3 min left"),
        (3599, "60 min left"),
        (7830, "2 h 10 min left"),
    ],
)
def test_it_is_said_as_people_say_it(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words

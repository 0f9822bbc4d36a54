"""The split of a row hangs on its conversation alone: more data never moves it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlhf.data.splits import drawn_lots

hashes = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50)


@given(hashes, hashes)
def test_a_lot_does_not_depend_on_what_else_is_there(some: list[int], more: list[int]) -> None:
    alone = drawn_lots(np.array(some, np.uint64), "validation")
    together = drawn_lots(np.array(more + some, np.uint64), "validation")
    assert (together[len(more) :] == alone).all()
    assert ((alone >= 0) & (alone < 1)).all()


def test_lots_are_even_and_other_words_draw_other_lots() -> None:
    numbers = np.arange(20_000, dtype=np.uint64)
    first, second = (drawn_lots(numbers, what) for what in ("validation", "test"))
    assert abs((first < 0.1).mean() - 0.1) < 0.01
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02

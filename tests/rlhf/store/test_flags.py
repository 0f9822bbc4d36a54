"""Flags: an annotator's word to the operator about a comparison."""

from __future__ import annotations

import pytest

from rlhf.errors import InputError
from rlhf.store import Store, flags
from tests.seeded import hired, queued


def test_a_flag_waits_until_an_operator_has_seen_it(store: Store) -> None:
    first, second = queued(store, 2)
    ann, bob = hired(store, "ann", "bob")
    with store.write() as tx:
        flags.flag(tx, first, ann, "names a real person", now=1.0)
        flags.flag(tx, first, bob, "names somebody", now=2.0)
        assert flags.see_all(tx, "olga", now=3.0) == 2
        assert flags.see_all(tx, "olga") == 0
        flags.flag(tx, second, ann, "is a threat", now=2.5)
        told = flags.flags(tx, 10)
    assert [(one.note, one.seen_by) for one in told] == [
        ("is a threat", None),
        ("names somebody", "olga"),
        ("names a real person", "olga"),
    ]


def test_a_flag_said_again_is_one_flag_and_unseen(store: Store) -> None:
    (one,) = queued(store, 1)
    (ann,) = hired(store, "ann")
    with store.write() as tx:
        flags.flag(tx, one, ann, "look", now=1.0)
        flags.see_all(tx, "olga")
        flags.flag(tx, one, ann, "look again", now=2.0)
        (kept,) = flags.flags(tx, 10)
    assert (kept.note, kept.flagged_at, kept.seen_by) == ("look again", 2.0, None)


@pytest.mark.parametrize("note", ["", " ", "x" * 10_001, "nul\x00"])
def test_a_flag_says_something(store: Store, note: str) -> None:
    (one,) = queued(store, 1)
    (ann,) = hired(store, "ann")
    with pytest.raises(InputError), store.write() as tx:
        flags.flag(tx, one, ann, note)

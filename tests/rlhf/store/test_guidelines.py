"""Guidelines: versions are never overwritten, and every rating says which one it rests on."""

from __future__ import annotations

import pytest

from rlhf.errors import InputError
from rlhf.store import Store, guidelines, ratings
from tests.seeded import hired, queued, rated


def test_a_rating_rests_on_the_newest_version_that_its_annotator_has_read(store: Store) -> None:
    ann, ben = hired(store, "ann", "ben")
    queued(store, 4)
    with store.write() as tx:
        assert guidelines.in_force(tx) == guidelines.BUILT_IN
        guidelines.confirm(tx, ann, 1)
    first = rated(store, ann)
    with store.write() as tx:
        assert guidelines.write(tx, "Judge facts alone.", "manners no longer count", "olga") == 2
    unread = rated(store, ann)
    with store.write() as tx:
        guidelines.confirm(tx, ann, 2)
        guidelines.confirm(tx, ann, 2)
    second, never = rated(store, ann), rated(store, ben)
    with store.read() as tx:
        found = [ratings.rating(tx, one.rating_id).guidelines for one in (first, unread, second)]
        assert found == [1, 1, 2]
        assert ratings.rating(tx, never.rating_id).guidelines is None
        assert guidelines.rated_by(tx) == {1: 2, 2: 1}


def test_versions_stay_and_the_same_words_are_no_new_one(store: Store) -> None:
    with store.write() as tx:
        guidelines.write(tx, "One.", "all", "olga")
        guidelines.write(tx, "Two.", "more", "olga")
    for text, changed, field in (
        ("Two.", "again", "text"),
        ("", "x", "text"),
        ("x" * 30_000, "x", "text"),
        ("Three.", "", "changed"),
    ):
        with pytest.raises(InputError) as refused, store.write() as tx:
            guidelines.write(tx, text, changed, "olga")
        assert refused.value.field == field
    with store.read() as tx:
        assert [(one.version, one.text) for one in guidelines.versions(tx)] == [
            (3, "Two."),
            (2, "One."),
        ]


@pytest.mark.parametrize("version", [0, 2, -1])
def test_nobody_has_read_what_does_not_exist(store: Store, version: int) -> None:
    (ann,) = hired(store, "ann")
    with pytest.raises(InputError), store.write() as tx:
        guidelines.confirm(tx, ann, version)

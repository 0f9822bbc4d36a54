"""Own ratings asked again: swapped, apart, for that annotator alone, and never twice."""

from __future__ import annotations

from rlhf.store import Store, comparisons, manifests, queue, repeats
from rlhf.store.chance import chance
from rlhf.store.checking import Checks
from tests.seeded import hired, judged, queued

MINUTES = 10.0


def take(
    store: Store, annotator: int, share: float, now: float | None = None
) -> queue.Lease | queue.Empty:
    with store.write() as tx:
        return queue.lease_next(
            tx, annotator, now, minutes=MINUTES, checks=Checks(repeat_share=share)
        )


def rate_some(store: Store, annotator: int, count: int) -> list[queue.Lease]:
    given = []
    for _ in range(count):
        lease = take(store, annotator, 0.0)
        assert isinstance(lease, queue.Lease)
        judged(store, lease, annotator)
        given.append(lease)
    return given


def purpose(store: Store, lease: queue.Lease) -> comparisons.Comparison:
    with store.read() as tx:
        return comparisons.comparison(tx, lease.comparison_id)


def test_a_repeat_shows_an_earlier_rating_with_its_sides_swapped(store: Store) -> None:
    queued(store, 30)
    (ann,) = hired(store, "ann")
    before = rate_some(store, ann, repeats.APART + 3)
    lease = take(store, ann, 1.0)
    assert isinstance(lease, queue.Lease)
    told = purpose(store, lease)
    first = next(one for one in before[:3] if one.comparison_id == told.repeat_of)
    assert told.purpose == "repeat"
    assert (lease.left, lease.right) == (first.right, first.left)
    assert lease.prompt == first.prompt


def test_nothing_is_repeated_before_enough_else_was_rated(store: Store) -> None:
    queued(store, 30)
    (ann,) = hired(store, "ann")
    rate_some(store, ann, repeats.APART)
    lease = take(store, ann, 1.0)
    assert isinstance(lease, queue.Lease)
    assert purpose(store, lease).purpose == "train"


def test_nothing_is_repeated_twice_and_nobody_else_is_given_it(store: Store) -> None:
    queued(store, 40, wanted=2)
    ann, bob = hired(store, "ann", "bob")
    rate_some(store, ann, repeats.APART + 2)
    repeated = []
    for _ in range(2):
        lease = take(store, ann, 1.0)
        assert isinstance(lease, queue.Lease)
        judged(store, lease, ann)
        repeated.append(purpose(store, lease).repeat_of)
    assert len(set(repeated)) == 2
    left = take(store, bob, 0.0)
    while isinstance(left, queue.Lease):
        assert purpose(store, left).purpose == "train"
        judged(store, left, bob)
        left = take(store, bob, 0.0)


def test_two_annotators_may_be_asked_the_same_again(store: Store) -> None:
    queued(store, repeats.APART + 2, wanted=2)
    people = hired(store, "ann", "bob")
    asked = set()
    for person in people:
        rate_some(store, person, repeats.APART + 1)
        lease = take(store, person, 1.0)
        assert isinstance(lease, queue.Lease)
        judged(store, lease, person)
        asked.add(lease.comparison_id)
    assert len(asked) == 1


def test_a_repeat_that_was_skipped_or_ran_out_never_comes_again(store: Store) -> None:
    queued(store, 40)
    (ann,) = hired(store, "ann")
    rate_some(store, ann, repeats.APART + 2)
    skipped = take(store, ann, 1.0)
    assert isinstance(skipped, queue.Lease)
    with store.write() as tx:
        queue.skip(tx, skipped.lease_id, ann, "again?")
    lost = take(store, ann, 1.0)
    assert isinstance(lost, queue.Lease)
    later = take(store, ann, 1.0, now=lost.expires_at + 1)
    assert isinstance(later, queue.Lease)
    assert {purpose(store, one).purpose for one in (skipped, lost)} == {"repeat"}
    assert purpose(store, later).purpose == "train"


def test_repeats_keep_nobody_waiting_and_are_in_no_count(store: Store) -> None:
    queued(store, repeats.APART + 2)
    (ann,) = hired(store, "ann")
    rate_some(store, ann, repeats.APART + 1)
    repeat = take(store, ann, 1.0)
    assert isinstance(repeat, queue.Lease)
    with store.read() as tx:
        assert comparisons.counts(tx) == {"open": 1, "leased": 0, "rated": repeats.APART + 1}
    judged(store, repeat, ann)
    rate_some(store, ann, 1)
    assert take(store, ann, 1.0) == queue.Empty("all_rated", None)


def test_a_repeat_measures_the_annotator_and_is_no_preference(store: Store) -> None:
    queued(store, 30)
    (ann,) = hired(store, "ann")
    rate_some(store, ann, repeats.APART + 1)
    lease = take(store, ann, 1.0)
    assert isinstance(lease, queue.Lease)
    judged(store, lease, ann)
    with store.read() as tx:
        (again,) = [one for one in manifests.labelled_now(tx) if one.purpose == "repeat"]
        assert again.repeat_of == purpose(store, lease).repeat_of


def test_about_the_wanted_share_is_repeated_and_the_same_for_the_same_seed(store: Store) -> None:
    queued(store, 400)
    (ann,) = hired(store, "ann")
    asked, checks = [], Checks(repeat_share=0.2)
    for _ in range(300):
        with store.write() as tx:
            lease = queue.lease_next(tx, ann, minutes=MINUTES, checks=checks, rng_seed=3)
        assert isinstance(lease, queue.Lease)
        judged(store, lease, ann)
        asked.append(purpose(store, lease).purpose)
    assert 35 <= asked.count("repeat") <= 85, "five standard deviations around a fifth"
    with store.read() as tx:
        drawn = [[chance(tx, ann, seed).random() for seed in range(50)] for _ in range(2)]
        assert drawn[0] == drawn[1]
        assert len(set(drawn[0])) == 50

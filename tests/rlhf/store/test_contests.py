"""Contests: rated like any other comparison, blind, and no reward model ever learns from them."""

from __future__ import annotations

from collections import Counter

from rlhf.store import Store, comparisons, manifests, prompts, queue, rounds
from rlhf.store.contests import Contest, Entry, contests, queue_contest
from tests.seeded import hired, judged, leased, queued

OLD, NEW = "a" * 64, "b" * 64


def contested(store: Store, count: int) -> list[int]:
    """`count` contests between OLD and NEW, whose answers say so."""
    with store.write() as tx:
        new = [
            prompts.NewPrompt([{"role": "user", "content": f"Q{n}?"}], "test", "heldout")
            for n in range(count)
        ]
        prompts.add_prompts(tx, new)
        asked = prompts.split_prompts(tx, "heldout")
        return [
            queue_contest(
                tx,
                one.id,
                Entry(OLD, f"old {one.id}", True, 3, {"temperature": 1.0}),
                Entry(NEW, f"new {one.id}", True, 3, {"temperature": 0.5}),
                priority=2.5,
                seed=0,
            )
            for one in asked
        ]


def test_people_are_given_contests_and_what_they_say_counts_as_it_comes(store: Store) -> None:
    ids = contested(store, 2)
    ann, bob = hired(store, "ann", "bob")
    with store.read() as tx:
        assert [one.preferred for one in contests(tx, ids)] == [(), ()]
    lease = leased(store, ann)
    judged(store, lease, ann)
    with store.read() as tx:
        (told,) = [one for one in contests(tx, ids) if one.preferred]
    assert {told.first, told.second} == {OLD, NEW}
    assert told.preferred == ((OLD if lease.left.text.startswith("old") else NEW),)
    judged(store, leased(store, bob), bob)
    with store.write() as tx:
        assert isinstance(queue.lease_next(tx, ann, minutes=1), queue.Empty)
        assert all(len(one.preferred) == 1 for one in contests(tx, ids))


def test_neither_side_nor_number_of_an_answer_says_where_it_comes_from(store: Store) -> None:
    ids = contested(store, 120)
    (ann,) = hired(store, "ann")
    left: Counter[bool] = Counter()
    for _ in ids:
        lease = leased(store, ann)
        left[lease.left.text.startswith("old")] += 1
        judged(store, lease, ann)
    assert 30 < left[True] < 90
    with store.read() as tx:
        lower = Counter(one.first for one in contests(tx, ids))
    assert 30 < lower[OLD] < 90


def test_no_manifest_and_no_count_of_new_ratings_takes_a_contest_in(store: Store) -> None:
    contested(store, 1)
    queued(store, 1)
    (ann,) = hired(store, "ann")
    for _ in range(2):
        judged(store, leased(store, ann), ann)
    with store.write() as tx:
        assert manifests.new_ratings_since(tx, None) == 1
        one = rounds.create_round(
            tx, settings={}, base={}, start_checkpoint=OLD, seed=0, requested_by="test"
        )
        frozen = manifests.freeze_manifest(tx, one.id)
        assert [row.purpose for row in manifests.labelled(tx, frozen.digest)] == ["train"]
        assert [row.purpose for row in manifests.labelled_now(tx)] == ["train"]
        assert manifests.left_out(tx)[manifests.CONTEST] == 1


def test_the_same_contest_is_asked_once_and_its_verdict_counts_again(store: Store) -> None:
    first = contested(store, 3)
    assert contested(store, 3) == first
    with store.read() as tx:
        assert comparisons.counts(tx)["open"] == 3


def test_contests_of_other_comparisons_are_none(store: Store) -> None:
    ids = queued(store, 1)
    with store.read() as tx:
        told: list[Contest] = contests(tx, ids)
    assert told == []

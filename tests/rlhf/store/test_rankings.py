"""Rankings: a sequence of comparisons that ends in an order, whatever the annotator thinks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.errors import InputError
from rlhf.store import Store, comparisons, manifests, prompts, queue, rankings, ratings
from rlhf.store.rankings import insertion
from tests.seeded import hired, queued

Prefers = Callable[[int, int], int | None]


def ranked(store: Store, count: int, *, wanted: int = 1, priority: float = 0.0) -> list[int]:
    """A ranking of that many responses; returns their ids."""
    with store.write() as tx:
        messages = [{"role": "user", "content": f"Which of {count} is best?"}]
        prompts.add_prompts(tx, [prompts.NewPrompt(messages=messages, source="t", split="train")])
        prompt_id = prompts.id_of(tx, prompts.digest_of(messages))
        responses = [
            comparisons.add_response(
                tx,
                prompt_id=prompt_id,
                text=f"answer {number}",
                checkpoint=None,
                sampling={},
                finished=True,
                tokens=0,
                purpose="asked",
            )
            for number in range(count)
        ]
        rankings.add_ranking(tx, prompt_id, responses, wanted=wanted, priority=priority)
    return responses


def rate(
    store: Store, annotator: int, prefers: Prefers, now: float | None = None
) -> queue.Lease | None:
    """Rate the next comparison; None when there is nothing to rate."""
    with store.write() as tx:
        lease = queue.lease_next(tx, annotator, now, minutes=15)
        if isinstance(lease, queue.Empty):
            return None
        preferred = prefers(lease.left.response_id, lease.right.response_id)
        ratings.record_rating(
            tx,
            lease_id=lease.lease_id,
            submission_id=lease.submission_id,
            annotator_id=annotator,
            verdict=ratings.Verdict(preferred, 0 if preferred is None else 2),
        )
    return lease


@given(
    qualities=st.lists(st.integers(0, 4), min_size=3, max_size=9),
    order=st.randoms(use_true_random=False),
)
def test_binary_insertion_finds_the_order_in_no_more_comparisons_than_it_told(
    qualities: list[int], order: object
) -> None:
    responses = list(range(len(qualities)))
    order.shuffle(responses)  # type: ignore[attr-defined]
    said: dict[tuple[int, int], int | None] = {}
    pair, left = insertion(responses, said)
    first_told = left
    while pair is not None:
        low, high = pair
        assert pair not in said
        tie = qualities[low] == qualities[high]
        said[pair] = None if tie else max(pair, key=lambda one: qualities[one])
        before = left
        pair, left = insertion(responses, said)
        assert left < before
    assert left == 0
    assert len(said) <= first_told
    follows = {one: {one} for one in responses}
    for _ in responses:
        for (low, high), better in said.items():
            pairs = (
                ((low, high), (high, low))
                if better is None
                else (((low, high),) if better == low else ((high, low),))
            )
            for above, below in pairs:
                follows[above] |= follows[below]
    for one in responses:
        for other in responses:
            if qualities[one] > qualities[other]:
                assert other in follows[one]


def test_five_answers_take_at_most_eight_comparisons_in_sequence(store: Store) -> None:
    (ann,) = hired(store, "ann")
    responses = ranked(store, 5)
    queued(store, 2)
    asked = 0
    with store.read() as tx:
        assert rankings.progress(tx, ann) is None
    while (lease := rate(store, ann, max)) is not None and lease.kind == "ranking":
        asked += 1
    assert 4 <= asked <= 8
    with store.read() as tx:
        told = manifests.labelled_now(tx)
        assert rankings.progress(tx, ann) is None
    mine = [one for one in told if one.kind == "ranking"]
    assert len(mine) == asked
    assert {one.prompt_id for one in mine} == {mine[0].prompt_id}
    assert len(responses) == 5


def test_nothing_is_fetched_ahead_of_a_verdict_that_decides_what_comes_next(store: Store) -> None:
    (ann,) = hired(store, "ann")
    ranked(store, 3)
    queued(store, 1)
    with store.write() as tx:
        lease = queue.lease_next(tx, ann, minutes=15)
        assert isinstance(lease, queue.Lease)
        ahead = queue.lease_next(tx, ann, minutes=15, after=lease.lease_id)
        assert ahead == queue.Empty("in_sequence", None)
        again = queue.lease_next(tx, ann, minutes=15)
        assert isinstance(again, queue.Lease)
        assert again.lease_id == lease.lease_id


def test_as_many_people_as_wanted_rank_and_a_ranking_left_alone_goes_to_another(
    store: Store,
) -> None:
    ann, ben, cleo = hired(store, "ann", "ben", "cleo")
    ranked(store, 3)
    assert rate(store, ann, max) is not None
    assert rate(store, ben, max) is None
    later = 2e9
    assert rate(store, cleo, min, now=later) is not None
    while rate(store, cleo, min, now=later):
        pass
    while rate(store, ann, max, now=later):
        pass
    assert rate(store, ben, max, now=later) is None


def test_the_more_urgent_comes_first(store: Store) -> None:
    (ann,) = hired(store, "ann")
    ranked(store, 3, priority=-1.0)
    queued(store, 1)
    first = rate(store, ann, max)
    second = rate(store, ann, max)
    assert first is not None
    assert second is not None
    assert (first.kind, second.kind) == ("asked", "ranking")


def test_a_changed_verdict_reopens_the_ranking_and_a_skip_ends_it(store: Store) -> None:
    (ann,) = hired(store, "ann")
    ranked(store, 3)
    while rate(store, ann, max):
        pass
    with store.write() as tx:
        (newest,) = ratings.my_last(tx, ann, 1)
        other = next(one for one in newest.order_shown if one != newest.preferred)
        ratings.revise_rating(
            tx,
            rating_id=newest.id,
            annotator_id=ann,
            verdict=ratings.Verdict(other, 1),
            submission_id="changed",
        )
    while rate(store, ann, max):
        pass
    with store.read() as tx:
        assert rankings.progress(tx, ann) is None
        before = len(ratings.current_ratings(tx))
    ranked(store, 4)
    with store.write() as tx:
        lease = queue.lease_next(tx, ann, minutes=15)
        assert isinstance(lease, queue.Lease)
        queue.skip(tx, lease.lease_id, ann, "other")
    assert rate(store, ann, max) is None
    with store.read() as tx:
        assert len(ratings.current_ratings(tx)) == before


@pytest.mark.parametrize("count", [2, 10])
def test_a_ranking_has_three_to_nine_answers(store: Store, count: int) -> None:
    with pytest.raises(InputError, match="3 to 9"):
        ranked(store, count)

"""Known answers: practice first, then checks that look like anything else, each once a person."""

from __future__ import annotations

import pytest

from rlhf.errors import NotFound
from rlhf.store import Store, comparisons, known, manifests, queue, ratings
from rlhf.store.checking import Checks
from rlhf.store.prompts import NewPrompt, add_prompts, digest_of
from tests.seeded import hired, judged, queued

MINUTES = 10.0
ALWAYS = Checks(known_share=1.0)


def prepare(store: Store, count: int, *, explained: bool = False) -> None:
    with store.write() as tx:
        for number in range(count):
            messages = [{"role": "user", "content": f"Known {number}?"}]
            add_prompts(tx, [NewPrompt(messages, source="test", split="train")])
            why = f"because {number}" if explained else None
            pair = known.Known(digest_of(messages), f"Right {number}.", f"Wrong {number}.", why)
            assert known.add_known(tx, [pair, pair]) == 1
            assert known.add_known(tx, [pair]) == 0


def take(store: Store, annotator: int, checks: Checks) -> queue.Lease | queue.Empty:
    with store.write() as tx:
        return queue.lease_next(tx, annotator, minutes=MINUTES, checks=checks)


def given(store: Store, annotator: int, checks: Checks) -> queue.Lease:
    lease = take(store, annotator, checks)
    assert isinstance(lease, queue.Lease)
    return lease


def say(store: Store, lease: queue.Lease, annotator: int, wanted: str) -> None:
    """Prefer the side whose text begins with `wanted`."""
    side = next(one for one in (lease.left, lease.right) if one.text.startswith(wanted))
    with store.write() as tx:
        ratings.record_rating(
            tx,
            lease_id=lease.lease_id,
            submission_id=lease.submission_id,
            annotator_id=annotator,
            verdict=ratings.Verdict(side.response_id, 2),
        )


def test_who_is_new_practises_and_is_then_given_work(store: Store) -> None:
    prepare(store, 3, explained=True)
    queued(store, 3)
    ann, bob = hired(store, "ann", "bob")
    checks = Checks(practice=2)
    seen = []
    for _ in range(2):
        lease = given(store, ann, checks)
        assert lease.kind == "practice"
        say(store, lease, ann, "Right")
        with store.read() as tx:
            lesson = known.lesson(tx, lease.lease_id)
            assert lesson is not None
            better = comparisons.response(tx, lesson.better).text
        assert (
            better.removeprefix("Right") == " " + lesson.explanation.removeprefix("because ") + "."
        )
        seen.append(lease.comparison_id)
    assert len(set(seen)) == 2
    work = given(store, ann, checks)
    assert work.kind == "asked"
    with store.read() as tx:
        assert known.lesson(tx, work.lease_id) is None
        assert known.outcomes(tx) == {}, "practice counts for nothing"
    judged(store, work, ann)
    assert given(store, ann, Checks(practice=9)).kind == "asked", "who has worked is not new"
    assert given(store, bob, checks).kind == "practice"


def test_without_explanations_nobody_practises(store: Store) -> None:
    prepare(store, 3)
    queued(store, 1)
    (ann,) = hired(store, "ann")
    assert given(store, ann, Checks(practice=2)).kind == "asked"


def test_checks_are_right_wrong_or_nobodys_fault(store: Store) -> None:
    prepare(store, 5)
    queued(store, 40)
    ann, bob = hired(store, "ann", "bob")
    for wanted in ("Right", "Right", "Wrong"):
        say(store, given(store, ann, ALWAYS), ann, wanted)
    tie = given(store, ann, ALWAYS)
    with store.write() as tx:
        ratings.record_rating(
            tx,
            lease_id=tie.lease_id,
            submission_id=tie.submission_id,
            annotator_id=ann,
            verdict=ratings.Verdict(None, 0),
        )
    skipped = given(store, ann, ALWAYS)
    with store.write() as tx:
        queue.skip(tx, skipped.lease_id, ann, "broken")
    with store.read() as tx:
        assert known.outcomes(tx) == {ann: known.Outcomes(ok=2, wrong=2, unavailable=1)}
        assert known.own_outcomes(tx, ann) == known.Outcomes(), "not at once"
    assert given(store, ann, ALWAYS).kind == "asked", "each is given once to each"
    assert given(store, bob, ALWAYS).kind == "check"
    for _ in range(known.LAG):
        judged(store, given(store, ann, Checks()), ann)
    with store.read() as tx:
        assert known.own_outcomes(tx, ann) == known.Outcomes(ok=2, wrong=2)


def test_checks_keep_nobody_waiting_and_teach_nothing(store: Store) -> None:
    prepare(store, 2)
    queued(store, 1)
    ann, bob = hired(store, "ann", "bob")
    say(store, given(store, ann, ALWAYS), ann, "Right")
    with store.read() as tx:
        assert comparisons.counts(tx) == {"open": 1, "leased": 0, "rated": 0}
        (told,) = manifests.labelled_now(tx)
    assert (told.purpose, told.as_expected) == ("known", True)
    judged(store, given(store, ann, Checks()), ann)
    empty = take(store, bob, ALWAYS)
    assert isinstance(empty, queue.Empty), "nobody is checked where there is nothing to rate"
    assert empty.reason == "all_rated"


def test_a_known_pair_belongs_to_a_prompt(store: Store) -> None:
    with pytest.raises(NotFound), store.write() as tx:
        known.add_known(tx, [known.Known("0" * 64, "Right.", "Wrong.", None)])

"""Ratings: durable once acknowledged, stored once, never overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhf.errors import Conflict, Forbidden, InputError, NotFound
from rlhf.store import (
    Store,
    comparisons,
    events,
    manifests,
    open_store,
    queue,
    ratings,
    schema,
    upkeep,
)
from tests.seeded import ask, hired, judged, leased, queued

RATE_FOREVER = """
import sys
from dataclasses import replace
from pathlib import Path
from rlhf.store import open_store, queue, ratings
store, annotator = open_store(Path(sys.argv[1])), int(sys.argv[2])
while True:
    with store.write() as tx:
        lease = queue.lease_next(tx, annotator, minutes=10)
        verdict = ratings.Verdict(lease.right.response_id, 3)
    with store.write() as tx:
        saved = ratings.record_rating(
            tx, lease_id=lease.lease_id, submission_id=lease.submission_id,
            annotator_id=annotator, verdict=verdict,
        )
    print(saved.rating_id, lease.comparison_id, verdict.preferred, flush=True)
"""


def submit(
    store: Store,
    lease: queue.Lease,
    annotator: int,
    verdict: ratings.Verdict,
    submission: str | None = None,
) -> ratings.Saved:
    with store.write() as tx:
        return ratings.record_rating(
            tx,
            lease_id=lease.lease_id,
            submission_id=submission or lease.submission_id,
            annotator_id=annotator,
            verdict=verdict,
        )


@pytest.fixture
def ann(store: Store) -> int:
    queued(store, 3)
    return hired(store, "ann")[0]


def test_the_same_submission_again_is_stored_once(store: Store, ann: int) -> None:
    lease = leased(store, ann)
    verdict = ratings.Verdict(lease.left.response_id, 2, both_bad=True, reason="both are rude")
    first = submit(store, lease, ann, verdict)
    again = submit(store, lease, ann, verdict)
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.rating_id, again.revision) == (first.rating_id, 1)
    with store.read() as tx:
        (kept,) = ratings.current_ratings(tx)
    assert kept.reason == "both are rude"


def test_the_same_submission_with_another_verdict_is_refused(store: Store, ann: int) -> None:
    lease = leased(store, ann)
    submit(store, lease, ann, ratings.Verdict(lease.left.response_id, 2))
    for other in (
        ratings.Verdict(lease.right.response_id, 2),
        ratings.Verdict(lease.left.response_id, 1),
        ratings.Verdict(lease.left.response_id, 2, both_bad=True),
        ratings.Verdict(None, 0),
    ):
        with pytest.raises(Conflict, match="another verdict"):
            submit(store, lease, ann, other)
    with store.read() as tx:
        (kept,) = ratings.current_ratings(tx)
    assert (kept.preferred, kept.strength) == (lease.left.response_id, 2)


def test_a_submission_id_belongs_to_its_lease(store: Store, ann: int) -> None:
    lease = leased(store, ann)
    with pytest.raises(Conflict, match="does not belong"):
        submit(store, lease, ann, ratings.Verdict(None, 0), submission="invented")
    (bob,) = hired(store, "bob")
    with pytest.raises(Forbidden):
        submit(store, lease, bob, ratings.Verdict(None, 0))


def test_a_late_verdict_counts_while_nobody_else_has_the_comparison(store: Store, ann: int) -> None:
    lease = leased(store, ann, 1000.0)
    assert not submit(store, lease, ann, ratings.Verdict(None, 0)).repeated


def test_a_verdict_too_late_is_refused_but_kept_as_an_event(store: Store, ann: int) -> None:
    lost = leased(store, ann, 1000.0)
    (bob,) = hired(store, "bob")
    assert leased(store, bob).comparison_id == lost.comparison_id
    verdict = ratings.Verdict(lost.left.response_id, 3, reason="so much better")
    with pytest.raises(ratings.TooLate, match="somebody else") as late:
        submit(store, lost, ann, verdict)
    with store.write() as tx:
        ratings.keep_late(tx, late.value)
    with store.read() as tx:
        (kept,) = [one for one in events.recent(tx, 10) if one.kind == "late_rating"]
        assert ratings.current_ratings(tx) == []
    assert kept.actor == f"person {ann}"
    assert kept.entity == f"comparison {lost.comparison_id}"
    assert kept.payload["preferred"] == lost.left.response_id
    assert kept.payload["reason"] == "so much better"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    side=st.sampled_from(["left", "right", None]),
    strength=st.integers(1, 3),
    bad=st.booleans(),
)
def test_a_verdict_is_about_the_response_whatever_side_it_stood_on(
    store: Store, seed: int, side: str | None, strength: int, bad: bool
) -> None:
    with store.write() as tx:
        known = tx.execute(schema.people.select()).all()
    annotator = known[0].id if known else hired(store, "ann")[0]
    with store.write() as tx:
        number = len(tx.execute(schema.comparisons.select()).all())
        comparison = ask(tx, f"Question {number}?", "LOW", "HIGH")
        lease = queue.lease_next(tx, annotator, minutes=5, rng_seed=seed)
        assert isinstance(lease, queue.Lease)
        shown = {"left": lease.left, "right": lease.right}
        chosen = shown[side] if side else None
        saved = ratings.record_rating(
            tx,
            lease_id=lease.lease_id,
            submission_id=lease.submission_id,
            annotator_id=annotator,
            verdict=ratings.Verdict(
                chosen.response_id if chosen else None, strength if chosen else 0, bad
            ),
        )
        kept = ratings.rating(tx, saved.rating_id)
        assert kept.comparison_id == comparison
        assert kept.order_shown == [lease.left.response_id, lease.right.response_id]
        if chosen is None:
            assert (kept.preferred, kept.strength) == (None, 0)
        else:
            assert kept.preferred is not None
            assert comparisons.response(tx, kept.preferred).text == chosen.text
            assert kept.strength == strength
        assert kept.both_bad == bad


def test_a_correction_is_a_new_revision_and_the_old_one_stays(store: Store, ann: int) -> None:
    lease = leased(store, ann)
    first = submit(store, lease, ann, ratings.Verdict(lease.left.response_id, 3))
    for _ in range(2):
        with store.write() as tx:
            second = ratings.revise_rating(
                tx,
                rating_id=first.rating_id,
                annotator_id=ann,
                verdict=ratings.Verdict(lease.right.response_id, 1),
                submission_id="correction",
            )
        assert second.revision == 2
    assert second.repeated
    with store.read() as tx:
        before, after = ratings.rating(tx, first.rating_id), ratings.rating(tx, second.rating_id)
        assert [one.id for one in ratings.current_ratings(tx)] == [after.id]
        assert [one.id for one in ratings.my_last(tx, ann, 5)] == [after.id]
        assert ratings.my_progress(tx, ann) == ratings.Progress(today=1, total=1)
        assert ratings.counts_by_person(tx) == {ann: 1}
    assert (before.preferred, before.strength) == (lease.left.response_id, 3)
    assert (after.preferred, after.strength) == (lease.right.response_id, 1)
    assert before.digest != after.digest
    with pytest.raises(Conflict, match="newer revision"), store.write() as tx:
        ratings.revise_rating(
            tx,
            rating_id=first.rating_id,
            annotator_id=ann,
            verdict=ratings.Verdict(None, 0),
            submission_id="outdated",
        )


def test_a_rating_can_be_changed_and_withdrawn_by_its_author_alone(store: Store, ann: int) -> None:
    saved = submit(store, leased(store, ann), ann, ratings.Verdict(None, 0))
    (bob,) = hired(store, "bob")
    with pytest.raises(Forbidden), store.write() as tx:
        ratings.withdraw(tx, saved.rating_id, bob)
    with pytest.raises(NotFound), store.write() as tx:
        ratings.withdraw(tx, 999, ann)
    with store.write() as tx:
        ratings.withdraw(tx, saved.rating_id, ann)
        assert ratings.current_ratings(tx) == []
        assert ratings.rating(tx, saved.rating_id).withdrawn


@pytest.mark.parametrize(
    ("preferred", "strength", "reason", "field"),
    [
        ("left", 0, None, "strength"),
        ("left", 4, None, "strength"),
        (None, 1, None, "strength"),
        ("foreign", 1, None, "preferred"),
        ("left", 1, "x" * 10_001, "reason"),
        ("left", 1, "nul\x00", "reason"),
    ],
)
def test_an_impossible_verdict_is_refused_by_its_field(
    store: Store, ann: int, preferred: str | None, strength: int, reason: str | None, field: str
) -> None:
    lease = leased(store, ann)
    ids = {"left": lease.left.response_id, "foreign": 9999}
    verdict = ratings.Verdict(ids.get(preferred or ""), strength, reason=reason)
    with pytest.raises(InputError) as refused:
        submit(store, lease, ann, verdict)
    assert refused.value.field == field
    assert leased(store, ann) == lease, "the comparison is still there to be rated"


@pytest.mark.parametrize(
    ("better", "edited", "field"),
    [
        ("foreign", None, "attributes.honest"),
        ("left", "The first answer to 0.", "edited"),
        ("left", " \n", "edited"),
        (None, "Mine.", "edited"),
    ],
)
def test_an_impossible_remark_is_refused_by_its_field(
    store: Store, ann: int, better: str | None, edited: str | None, field: str
) -> None:
    lease = leased(store, ann)
    first = min(lease.left, lease.right, key=lambda side: side.response_id)
    verdict = ratings.Verdict(
        first.response_id if better else None,
        1 if better else 0,
        attributes={"honest": 9999 if better == "foreign" else None},
        edited=edited,
    )
    with pytest.raises(InputError) as refused:
        submit(store, lease, ann, verdict)
    assert refused.value.field == field
    assert leased(store, ann) == lease, "the comparison is still there to be rated"


def test_remarks_are_kept_and_change_what_a_rating_says(store: Store, ann: int) -> None:
    lease = leased(store, ann)
    plain = ratings.Verdict(lease.left.response_id, 2)
    full = replace(plain, attributes={"honest": lease.right.response_id}, edited="Mine.")
    saved = submit(store, lease, ann, plain)
    with store.write() as tx:
        revised = ratings.revise_rating(
            tx, rating_id=saved.rating_id, annotator_id=ann, verdict=full, submission_id="again"
        )
        before, after = (ratings.rating(tx, one.rating_id) for one in (saved, revised))
    assert (before.attributes, before.edited) == ({}, None)
    assert (after.attributes, after.edited) == ({"honest": lease.right.response_id}, "Mine.")
    assert before.digest != after.digest
    said = [before.comparison_id, ann, 1, lease.left.response_id, 2, False, None]
    told = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    assert before.digest == told, "manifests that were frozen before remarks existed still hold"


def test_a_third_person_is_asked_only_where_two_disagree(store: Store) -> None:
    with store.write() as tx:
        asked = {
            kind: ask(tx, f"{kind}?", "One.", "Other.", wanted=2, tiebreak=kind != "fixed")
            for kind in ("split", "tied", "same", "fixed")
        }
    ann, bob, cid = hired(store, "ann", "bob", "cid")
    second = dict.fromkeys(("split", "fixed"), "response_hi") | {"same": "response_lo"}
    for person in (ann, bob):
        for kind, comparison_id in asked.items():
            with store.read() as tx:
                shown = comparisons.comparison(tx, comparison_id)
            side = second.get(kind) if person == bob else "response_lo"
            lease = leased(store, person)
            assert lease.comparison_id == comparison_id
            verdict = ratings.Verdict(getattr(shown, side) if side else None, 1 if side else 0)
            for _ in range(2):
                submit(store, lease, person, verdict)
    third = leased(store, cid)
    assert third.comparison_id == asked["split"]
    judged(store, third, cid)
    with store.write() as tx:
        for person in (ann, bob, cid):
            assert isinstance(queue.lease_next(tx, person, minutes=5), queue.Empty)
        assert comparisons.counts(tx) == {"open": 0, "leased": 0, "rated": 9}
        told = manifests.labelled_now(tx)
    deciding = [one.annotator_id for one in told if one.kind == "tiebreak"]
    assert deciding == [cid]


def test_a_second_thought_that_brings_disagreement_asks_a_third(store: Store) -> None:
    with store.write() as tx:
        ask(tx, "Which?", "One.", "Other.", wanted=2, tiebreak=True)
    ann, bob, cid = hired(store, "ann", "bob", "cid")
    lease = leased(store, ann)
    saved = submit(store, lease, ann, ratings.Verdict(None, 0))
    other = submit(store, leased(store, bob), bob, ratings.Verdict(lease.left.response_id, 3))
    with store.write() as tx:
        assert isinstance(queue.lease_next(tx, cid, minutes=5), queue.Empty)
        ratings.revise_rating(
            tx,
            rating_id=saved.rating_id,
            annotator_id=ann,
            verdict=ratings.Verdict(lease.right.response_id, 1),
            submission_id="second thought",
        )
    assert other.revision == 1
    assert leased(store, cid).comparison_id == lease.comparison_id


@pytest.mark.slow
def test_every_acknowledged_rating_survives_kill_9(home: Path, store: Store) -> None:
    queued(store, 400)
    (ann,) = hired(store, "ann")
    store.close()
    acknowledged: dict[int, tuple[int, int]] = {}
    for kill in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", RATE_FOREVER, str(home), str(ann)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(5 + 3 * kill)]
        os.kill(writer.pid, signal.SIGKILL)
        told += writer.communicate()[0].splitlines(keepends=True)
        for line in filter(lambda line: line.endswith("\n"), told):
            rating_id, comparison, preferred = map(int, line.split())
            acknowledged[rating_id] = (comparison, preferred)
    reopened = open_store(home)
    with reopened.read() as tx:
        kept = {one.id: (one.comparison_id, one.preferred) for one in ratings.current_ratings(tx)}
    assert len(acknowledged) >= 50
    assert acknowledged.items() <= kept.items()
    assert len(kept) <= len(acknowledged) + 5, "at most one unacknowledged rating per kill"
    assert upkeep.integrity(reopened) == []
    reopened.close()

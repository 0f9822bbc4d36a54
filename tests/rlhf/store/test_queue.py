"""The queue: nobody gets what somebody else holds, nobody judges the same thing twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import IntegrityError

from rlhf.errors import Conflict, Forbidden, NotFound
from rlhf.store import Store, comparisons, queue, ratings, schema
from tests.seeded import ask, hired, judged, leased, queued

NOON = 1_000_000.0
MINUTES = 10.0
LATER = NOON + MINUTES * 60 + 1

LEASE_ALL = """
import sys
from pathlib import Path
from rlhf.store import open_store, queue, ratings
store, annotator = open_store(Path(sys.argv[1])), int(sys.argv[2])
sys.stdin.readline()
while True:
    with store.write() as tx:
        lease = queue.lease_next(tx, annotator, 1e6, minutes=10)
    if isinstance(lease, queue.Empty):
        break
    print(lease.assignment_id, flush=True)
    with store.write() as tx:
        ratings.record_rating(
            tx,
            lease_id=lease.lease_id,
            submission_id=lease.submission_id,
            annotator_id=annotator,
            verdict=ratings.Verdict(lease.left.response_id, 1),
        )
"""


def take(store: Store, annotator: int, now: float = NOON) -> queue.Lease | queue.Empty:
    with store.write() as tx:
        return queue.lease_next(tx, annotator, now, minutes=MINUTES)


def rate(store: Store, lease: queue.Lease, annotator: int, now: float = NOON) -> ratings.Saved:
    return judged(store, lease, annotator, now)


def test_a_page_may_have_the_next_comparison_ready_and_no_more(store: Store) -> None:
    queued(store, 4)
    ann, bob = hired(store, "ann", "bob")
    first = take(store, ann)
    assert isinstance(first, queue.Lease)

    def following(now: float = NOON + 1) -> queue.Lease | queue.Empty:
        with store.write() as tx:
            return queue.lease_next(tx, ann, now, minutes=MINUTES, after=first.lease_id)

    second = following()
    assert isinstance(second, queue.Lease)
    assert second.comparison_id != first.comparison_id
    assert following() == second, "asked again, it is the same one"
    assert take(store, ann) == first, "what was handed out first is on the page"
    other = take(store, bob)
    assert isinstance(other, queue.Lease)
    assert other.comparison_id not in {first.comparison_id, second.comparison_id}
    rate(store, first, ann)
    assert take(store, ann) == second
    assert isinstance(following(LATER), queue.Lease), "a lease that ran out is granted anew"


def test_eight_annotators_at_once_never_get_the_same_slot(store: Store) -> None:
    queued(store, 12, wanted=2)
    crew = hired(store, *(f"annotator {i}" for i in range(8)))

    def work(annotator: int) -> list[tuple[int, int]]:
        got = []
        while isinstance(lease := take(store, annotator), queue.Lease):
            rate(store, lease, annotator)
            got.append((lease.assignment_id, lease.comparison_id))
        return got

    with ThreadPoolExecutor(len(crew)) as pool:
        shares = list(pool.map(work, crew))
    slots = Counter(slot for share in shares for slot, _ in share)
    assert len(slots) == 24
    assert set(slots.values()) == {1}
    for share in shares:
        seen = [comparison for _, comparison in share]
        assert len(seen) == len(set(seen))


@pytest.mark.slow
def test_three_processes_never_get_the_same_slot(home: Path, store: Store) -> None:
    queued(store, 60)
    crew = hired(store, "one", "two", "three")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", LEASE_ALL, str(home), str(annotator)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for annotator in crew
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    shares = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    slots = [slot for share in shares for slot in share]
    assert len(slots) == len(set(slots)) == 60


@pytest.mark.parametrize("twice", ["slot", "annotator"])
def test_the_database_itself_refuses_a_slot_or_an_annotator_twice(store: Store, twice: str) -> None:
    (comparison,) = queued(store, 1, wanted=2)
    (annotator,) = hired(store, "ann")
    leased(store, annotator, NOON)
    row = {"comparison_id": comparison, "slot": 0 if twice == "slot" else 2}
    if twice == "annotator":
        row["annotator_id"] = annotator
    with pytest.raises(IntegrityError, match="UNIQUE"), store.write() as tx:
        tx.execute(schema.assignments.insert().values(**row))


def test_a_comparison_wanted_twice_goes_to_two_people_once_each(store: Store) -> None:
    (comparison,) = queued(store, 1, wanted=2)
    ann, bob, cid = hired(store, "ann", "bob", "cid")
    for annotator in (ann, bob):
        lease = leased(store, annotator, NOON)
        assert lease.comparison_id == comparison
        rate(store, lease, annotator)
    assert take(store, ann) == queue.Empty("all_rated", None)
    assert take(store, cid) == queue.Empty("all_rated", None)


def test_a_lease_that_ran_out_goes_to_the_next_person_without_any_clean_up(store: Store) -> None:
    queued(store, 1)
    ann, bob = hired(store, "ann", "bob")
    held = leased(store, ann, NOON, minutes=MINUTES)
    assert take(store, bob) == queue.Empty("all_leased", held.expires_at)
    assert take(store, bob, held.expires_at - 0.001) == queue.Empty("all_leased", held.expires_at)
    passed_on = take(store, bob, held.expires_at)
    assert isinstance(passed_on, queue.Lease)
    assert passed_on.assignment_id == held.assignment_id
    assert passed_on.lease_id != held.lease_id


def test_a_reload_gives_the_same_lease_back(store: Store) -> None:
    queued(store, 3)
    (ann,) = hired(store, "ann")
    first = leased(store, ann, NOON)
    assert leased(store, ann, NOON + 60) == first
    rate(store, first, ann)
    assert leased(store, ann, NOON + 61).comparison_id != first.comparison_id


def test_nobody_gets_a_comparison_again_that_they_rated_or_skipped(store: Store) -> None:
    queued(store, 2, wanted=2)
    ann, bob = hired(store, "ann", "bob")
    rate(store, leased(store, ann, NOON), ann)
    skipped = leased(store, ann, NOON)
    with store.write() as tx:
        queue.skip(tx, skipped.lease_id, ann, "cannot_judge", NOON)
        queue.skip(tx, skipped.lease_id, ann, "cannot_judge", NOON)
    assert take(store, ann) == queue.Empty("you_rated_the_rest", None)
    assert take(store, ann, LATER) == queue.Empty("you_rated_the_rest", None)
    seen_by_bob = set()
    for _ in range(2):
        lease = leased(store, bob, NOON)
        rate(store, lease, bob)
        seen_by_bob.add(lease.comparison_id)
    assert len(seen_by_bob) == 2


def test_the_most_urgent_comparison_comes_first(store: Store) -> None:
    queued(store, 2)
    (ann,) = hired(store, "ann")
    with store.write() as tx:
        urgent = ask(tx, "Urgent?", "Yes.", "No.", priority=5.0)
        ask(tx, "Can it wait?", "Yes.", "No.", priority=1.0)
    assert leased(store, ann, NOON).comparison_id == urgent


def test_an_empty_queue_says_so(store: Store) -> None:
    (ann,) = hired(store, "ann")
    assert take(store, ann) == queue.Empty("nothing_queued", None)


def test_renewing_holds_a_comparison_longer(store: Store) -> None:
    queued(store, 1)
    ann, bob = hired(store, "ann", "bob")
    lease = leased(store, ann, NOON, minutes=MINUTES)
    with store.write() as tx:
        until = queue.renew(tx, lease.lease_id, ann, NOON + 300, minutes=MINUTES)
    assert until == NOON + 300 + MINUTES * 60
    assert take(store, bob, LATER) == queue.Empty("all_leased", until)
    assert leased(store, ann, LATER).lease_id == lease.lease_id


def test_a_lease_that_went_to_somebody_else_can_be_neither_renewed_nor_taken(store: Store) -> None:
    queued(store, 1)
    ann, bob = hired(store, "ann", "bob")
    lost = leased(store, ann, NOON)
    taken = leased(store, bob, NOON + 3600)
    with pytest.raises(Conflict), store.write() as tx:
        queue.renew(tx, lost.lease_id, ann, NOON + 3600, minutes=MINUTES)
    with pytest.raises(Forbidden), store.write() as tx:
        queue.renew(tx, taken.lease_id, ann, NOON + 3600, minutes=MINUTES)
    with pytest.raises(NotFound), store.write() as tx:
        queue.skip(tx, "no-such-lease", ann, "other", NOON)


def test_renewing_and_skipping_find_their_slot_by_its_key(store: Store) -> None:
    """Others wait for the right to write meanwhile, and a queue may be a million slots long."""
    queued(store, 1)
    (ann,) = hired(store, "ann")
    lease = take(store, ann)
    assert isinstance(lease, queue.Lease)
    plans: list[str] = []

    def explain(tx: Connection, _: object, sql: str, values: Any, *__: object) -> None:
        if not sql.startswith(("BEGIN", "EXPLAIN", "INSERT")):
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            plans.extend(row.detail for row in plan)

    event.listen(store.engine, "before_cursor_execute", explain)
    with store.write() as tx:
        queue.renew(tx, lease.lease_id, ann, NOON, minutes=MINUTES)
        queue.skip(tx, lease.lease_id, ann, "unclear", NOON)
    event.remove(store.engine, "before_cursor_execute", explain)
    slots = [plan for plan in plans if "assignments" in plan]
    assert slots
    assert all("PRIMARY KEY" in plan for plan in slots), slots


def test_skipping_what_was_lost_does_not_take_it_from_its_new_holder(store: Store) -> None:
    queued(store, 1)
    ann, bob = hired(store, "ann", "bob")
    lost = leased(store, ann, NOON)
    taken = leased(store, bob, NOON + 3600)
    with store.write() as tx:
        queue.skip(tx, lost.lease_id, ann, "broken", NOON + 3601)
    assert leased(store, bob, NOON + 3602) == taken


def test_sides_are_shuffled_about_half_and_half(store: Store) -> None:
    queued(store, 100)
    (ann,) = hired(store, "ann")
    lower_left = 0
    with store.write() as tx:
        for _ in range(100):
            lease = queue.lease_next(tx, ann, NOON, minutes=MINUTES, rng_seed=7)
            assert isinstance(lease, queue.Lease)
            found = comparisons.comparison(tx, lease.comparison_id)
            queue.skip(tx, lease.lease_id, ann, "next", NOON)
            shown = [lease.left.response_id, lease.right.response_id]
            assert sorted(shown) == [found.response_lo, found.response_hi]
            lower_left += shown[0] == found.response_lo
    assert 30 <= lower_left <= 70, "further than four standard deviations from half"


def test_counts_follow_the_slots(store: Store) -> None:
    queued(store, 3)
    (ann,) = hired(store, "ann")
    rate(store, leased(store, ann, NOON), ann)
    leased(store, ann, NOON, minutes=MINUTES)
    with store.read() as tx:
        assert comparisons.counts(tx, now=NOON) == {"open": 1, "leased": 1, "rated": 1}
        assert comparisons.counts(tx, now=LATER) == {"open": 2, "leased": 0, "rated": 1}

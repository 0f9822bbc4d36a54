"""Simulated annotators of the starter world, who rate through the same queue as people do.

They hold accounts, are given leases, see the two sides shuffled, and save verdicts with the lease's
submission id. Only they (and reports) see gold, and they see it through noise.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlhf.starter.annotators import SimulatedAnnotator, crew
from rlhf.store import Store, people, prompts, queue, ratings
from rlhf.store.checking import NO_CHECKS, Checks

LEASE_MINUTES = 5.0
SECONDS_PER_RATING = 20.0
"""What a rating claims to have taken: about what a person needs for two short answers."""

STRENGTH = {1: 3, 2: 2, 3: 1, 4: 0, 5: 1, 6: 2, 7: 3}
"""Key on the page -> strength of the verdict; 4 is a tie."""


@dataclass(frozen=True, slots=True)
class Member:
    """One simulated annotator with an account."""

    person_id: int
    annotator: SimulatedAnnotator


def hire(store: Store, count: int, seed: int) -> list[Member]:
    """Accounts for a crew of `count`; the same seed hires the same characters."""
    members = []
    with store.write() as tx:
        for annotator in crew(count, seed):
            name = f"sim-{annotator.name}"
            known = people.person_named(tx, name)
            person = known or people.add_person(tx, name, "annotator")
            members.append(Member(person.id, annotator))
    return members


def rate_all(
    store: Store,
    members: list[Member],
    seed: int,
    *,
    limit: int,
    checks: Checks = NO_CHECKS,
) -> int:
    """Rate in turns until `limit` ratings are saved or nobody is given work; returns how many."""
    saved = 0
    idle: set[int] = set()
    while saved < limit and len(idle) < len(members):
        for member in members:
            if saved == limit:
                break
            if _rate_one(store, member, seed, checks):
                saved += 1
                idle.discard(member.person_id)
            else:
                idle.add(member.person_id)
    return saved


def _rate_one(store: Store, member: Member, seed: int, checks: Checks) -> bool:
    with store.write() as tx:
        lease = queue.lease_next(
            tx,
            member.person_id,
            minutes=LEASE_MINUTES,
            checks=checks,
            rng_seed=seed,
        )
        if isinstance(lease, queue.Empty):
            return False
        prompt = prompts.prompt(tx, lease.prompt_id)
        seen = member.annotator.judge(
            prompt.messages, prompt.meta, lease.left.text, lease.right.text
        )
        side = None if seen.choice == 4 else (lease.left if seen.choice < 4 else lease.right)
        verdict = ratings.Verdict(
            preferred=side.response_id if side else None,
            strength=STRENGTH[seen.choice],
            both_bad=seen.both_bad,
            reason=None,
        )
        ratings.record_rating(
            tx,
            lease_id=lease.lease_id,
            submission_id=lease.submission_id,
            annotator_id=member.person_id,
            verdict=verdict,
            active_ms=int(SECONDS_PER_RATING * 1000),
        )
    return True

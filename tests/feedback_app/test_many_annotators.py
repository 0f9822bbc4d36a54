"""Fifty annotators over HTTP, some of whom walk away, and a service that is killed in between."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from rlhf.home import make_home
from rlhf.store import Store, open_store, people, ratings, schema
from tests.seeded import hired, queued
from tests.served import Web

ANNOTATORS, COMPARISONS, OVERLAP = 50, 400, 2
LEASE_MINUTES = 0.05
"""Three seconds, so that what somebody walked away from comes back within the test."""
AWAY, TWICE, AHEAD = 0.05, 0.1, 0.5
"""How often a lease is left lying, a verdict is sent twice, the next comparison fetched early."""
KILL_AFTER = 250
PAUSE_S = 0.2


@dataclass
class Crew:
    """What the annotators share: the service, and every verdict that it acknowledged."""

    web: Web
    acknowledged: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Rating id -> lease, annotator and choice."""
    killing: threading.Event = field(default_factory=threading.Event)
    pause: threading.Event = field(default_factory=threading.Event)

    def call(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
        """As the page does: the same request again until somebody answers."""
        while True:
            try:
                return client.request(method, f"{self.web.url}/api/v1/{path}", **more)
            except httpx.TransportError:
                self.pause.wait(PAUSE_S)

    def work(self, annotator: int, session: str) -> None:
        """Rate until there is nothing left that this annotator could ever get."""
        random = Random(annotator)
        with httpx.Client(cookies={"rlhf": session}, timeout=30) as client:
            while True:
                item = self.call(client, "GET", "next").json()
                if item.get("empty") in {"all_rated", "you_rated_the_rest"}:
                    return
                if "empty" in item or random.random() < AWAY:
                    self.pause.wait(PAUSE_S if "empty" in item else 0)
                    continue
                if random.random() < AHEAD:
                    self.call(client, "GET", "next", params={"after": item["lease_id"]})
                self.rate(client, annotator, item, random)

    def rate(
        self, client: httpx.Client, annotator: int, item: dict[str, Any], random: Random
    ) -> None:
        choice = random.randint(1, 7)
        body = {name: item[name] for name in ("lease_id", "submission_id")} | {"choice": choice}
        for _ in range(1 + (random.random() < TWICE)):
            answer = self.call(client, "POST", "ratings", json=body)
            assert answer.status_code in {200, 409}, answer.text
            if answer.status_code == 200:
                said = {"annotator": annotator, "lease": item["lease_id"], "choice": choice}
                self.acknowledged[answer.json()["rating_id"]] = said
        if len(self.acknowledged) >= KILL_AFTER:
            self.killing.set()


def sessions(store: Store, crew: list[int]) -> list[str]:
    with store.write() as tx:
        return [people.open_session(tx, person) for person in crew]


@pytest.mark.slow
def test_nobody_is_over_asked_nothing_is_lost_and_nothing_is_left(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    (home / "rlhf.toml").write_text(f"[feedback]\nlease_minutes = {LEASE_MINUTES}\n")
    store = open_store(home)
    asked = queued(store, COMPARISONS, wanted=OVERLAP)
    annotators = hired(store, *(f"annotator {number}" for number in range(ANNOTATORS)))
    with Web(home) as web, ThreadPoolExecutor(ANNOTATORS) as pool:
        crew = Crew(web)
        working = [
            pool.submit(crew.work, person, session)
            for person, session in zip(annotators, sessions(store, annotators), strict=True)
        ]
        assert crew.killing.wait(120)
        web.kill()
        web.start()
        for done in working:
            done.result()
    with store.read() as tx:
        kept = ratings.current_ratings(tx)
        leases = {one.id: one for one in tx.execute(schema.leases.select())}
    judged = [one for one in kept if one.comparison_id in asked]
    again = [one for one in kept if one.comparison_id not in asked]
    per_comparison = Counter(one.comparison_id for one in judged)
    assert set(per_comparison) == set(asked), "nothing starved"
    assert set(per_comparison.values()) == {OVERLAP}, "nothing went over its target"
    people_of = defaultdict(set)
    for one in judged:
        people_of[one.comparison_id].add(one.annotator_id)
    assert {len(them) for them in people_of.values()} == {OVERLAP}, "two people, not one twice"
    repeats = Counter((one.comparison_id, one.annotator_id) for one in again)
    assert set(repeats.values()) <= {1}, "nobody is asked again more than once"
    by_id = {one.id: one for one in kept}
    assert set(by_id) == set(crew.acknowledged), "what was acknowledged is there, and nothing else"
    for rating_id, said in crew.acknowledged.items():
        one, lease = by_id[rating_id], leases[said["lease"]]
        assert (one.annotator_id, lease.annotator_id) == (said["annotator"], said["annotator"])
        side = {True: lease.left_response, False: lease.right_response}[said["choice"] < 4]
        assert one.preferred == (None if said["choice"] == 4 else side)
    store.close()

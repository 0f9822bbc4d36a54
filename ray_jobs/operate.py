"""`rlhf round`: ask the running service for a round, or run one here when no service runs."""

from __future__ import annotations

import threading
from pathlib import Path

from ray_jobs import controller, supervisor
from ray_jobs.watching import Watcher
from rlhf.errors import RLHFError, UsageError
from rlhf.home import existing_home, service_runs, sole_service
from rlhf.rounds import State
from rlhf.settings import load_settings
from rlhf.store import Store, manifests, open_store, requests, rounds

BY = "command line"


def run_round(home: Path) -> int:
    """Take the waiting round through to its end, with a progress bar; returns the exit code.

    With a service running on the home, the round is asked for and only watched. Raises UsageError
    when there is nothing new to train on.
    """
    existing_home(home)
    store = open_store(home, load_settings(home).database)
    try:
        wanted = _ask(store)
        if service_runs(home):
            with Watcher(store, round_id=wanted) as watcher:
                watcher.wait_until_ended()
        else:
            with sole_service(home):
                supervisor.prepare(home, None)
                _run_here(home, store, wanted)
        with store.read() as tx:
            ended = rounds.round_(tx, wanted)
    finally:
        store.close()
    for reason in ended.decision.get("reasons", ()):
        print(f"- {reason}")
    if ended.state == State.FAILED:
        raise RLHFError(f"round {wanted} failed: {ended.error}")
    print(f"round {wanted}: {ended.state}")
    return 0


def _ask(store: Store) -> int:
    """Leave the request and return the number of the round that will answer it."""
    with store.write() as tx:
        current = rounds.current_round(tx)
        past = rounds.all_rounds(tx)
        collecting = current is not None and current.state in (
            State.COMPARISONS,
            State.COLLECTING,
        )
        if (current is None or collecting) and not manifests.new_ratings_since(
            tx, manifests.latest(tx)
        ):
            raise UsageError(
                "no new ratings since the last round: rate some comparisons first "
                "(`rlhf up`, then the page Annotate)"
            )
        if current is None or collecting:
            requests.ask(tx, "start_round", BY, {})
        return current.id if current else len(past) + 1


def _run_here(home: Path, store: Store, wanted: int) -> None:
    service = controller.Service(home=home, store=store, stopping=threading.Event())

    def ended(_: controller.Service) -> bool:
        with store.read() as tx:
            return rounds.ended(tx, wanted)

    with Watcher(store, round_id=wanted):
        controller.run(service, until=ended)

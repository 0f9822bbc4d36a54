"""`kill -9` of everything, in every state of a round; then the same command again."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlhf.rounds import STEPS, State
from rlhf.store import Store, ratings, rounds
from tests.live_service import Service, in_state, rate_everything, wait_for

PATIENCE_S = 300.0


def finished(store: Store) -> dict[str, float]:
    """Step of round 1 -> when it was finished."""
    with store.read() as tx:
        steps = {name: rounds.step(tx, 1, name) for name in STEPS}
    return {
        str(name): step.finished_at for name, step in steps.items() if step and step.finished_at
    }


def rated(store: Store) -> set[int]:
    with store.read() as tx:
        return {one.id for one in ratings.current_ratings(tx)}


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_a_round_killed_in_every_state_completes_and_repeats_no_finished_step(
    tmp_path: Path,
) -> None:
    with Service(tmp_path / "home") as service:
        service.start()
        before: dict[str, float] = {}
        saved: set[int] = set()
        store: Store | None = None
        for state in STEPS:
            while store is None:
                store = opened(service)
            wait_for(store, in_state(1, state), PATIENCE_S)
            if state is State.COLLECTING:
                assert rate_everything(store) > 0
            assert service.kill() == []
            now, kept = finished(store), rated(store)
            assert {name: now[name] for name in before} == before
            assert saved <= kept
            before, saved = now, kept
            service.start()
        assert store is not None
        wait_for(store, in_state(1, State.PROMOTED), PATIENCE_S)
        now = finished(store)
        assert {name: now[name] for name in before} == before
        assert set(now) == {str(step) for step in STEPS}
        assert rated(store) == saved
        with store.read() as tx:
            assert rounds.round_(tx, 1).state in (State.PROMOTED, State.REFUSED)
        assert service.kill() == []
        store.close()


def opened(service: Service) -> Store | None:
    """The store as soon as the service has made it."""
    if not (service.home / "rlhf.db").exists():
        return None
    return service.store()

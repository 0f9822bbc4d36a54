"""One real round, small: Ray, TRL, PPO, evaluation, promotion; and again, killed and without gold.

Killed means `kill -9` of everything, in every state of the round; then the same command again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ray_jobs import controller
from ray_jobs.controller import Service
from rlhf import registry
from rlhf.rounds import STEPS, State
from rlhf.settings import load_settings
from rlhf.store import (
    Store,
    checkpoints,
    comparisons,
    metrics,
    open_store,
    prompts,
    ratings,
    rounds,
    schema,
)
from tests.killed_ppo import copied
from tests.live_service import Service as UpService
from tests.live_service import in_state, rate_everything, wait_for
from tests.ray_jobs.conftest import ONE_ROUND

PATIENCE_S = 300.0

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group(ONE_ROUND)]

NO_GOLD = """
import sys
from pathlib import Path

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "rlhf.starter.gold":
            raise ImportError("gold was removed for this test")

if b"feedback_app" not in Path("/proc/self/cmdline").read_bytes():
    sys.meta_path.insert(0, Refuse())
"""
"""A `sitecustomize` that takes gold away from every process but the one that shows it."""


@pytest.fixture(scope="module")
def finished(
    at_ppo: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Store]]:
    """A home that has gone on to its second round's comparisons."""
    home = copied(at_ppo, tmp_path_factory.mktemp("finished") / "home")
    store = open_store(home, load_settings(home).database)

    def asking_again(_: Service) -> bool:
        with store.read() as tx:
            now = rounds.current_round(tx)
        return now is not None and now.id > 1 and now.state == State.COLLECTING

    controller.run(Service(home=home, store=store, stopping=threading.Event()), until=asking_again)
    yield home, store
    store.close()


@pytest.mark.timeout(600)
def test_a_round_goes_from_comparisons_to_a_new_champion(finished: tuple[Path, Store]) -> None:
    home, store = finished
    with store.read() as tx:
        one = rounds.round_(tx, 1)
        steps = {step: rounds.step(tx, 1, step) for step in STEPS}
        second = rounds.step(tx, 2, State.COMPARISONS)
        names = checkpoints.aliases(tx)
        served = checkpoints.resolve(tx, "champion").figures["temperature"]
        asked = comparisons.counts(tx)
        undone = (
            select(schema.assignments.c.kind)
            .join(schema.comparisons)
            .where(~schema.assignments.c.done, schema.comparisons.c.round_id == 1)
        )
        waiting = tx.execute(undone).scalars().all()
    assert one.state == State.PROMOTED, one.error
    assert second is not None
    assert all(step is not None and step.attempt == 1 for step in steps.values())
    assert asked["rated"] == 26, "24 comparisons, two of them twice"
    assert asked["leased"] == 0
    assert set(waiting) <= {"tiebreak"}, "where both disagreed, and there is no third"
    assert names["champion"] == names["candidate"] == one.candidate
    assert names["previous"] == one.start_checkpoint
    for digest in (one.candidate, one.reward_checkpoints["ensemble"]):
        registry.verify(home, str(digest))
    assert len(one.reward_checkpoints["members"]) == 3
    told = {name: step.output or {} for name, step in steps.items() if step is not None}
    assert told[State.COMPARISONS]["streams"]["active"] == 0, "no reward models yet to choose by"
    assert (second.output or {})["streams"]["active"] > 0
    assert told[State.REWARD]["report"]["holdout_temperature"] > 0
    assert set(told[State.EVALUATION]["holdout_at"]) == {"1", "0.7", "0.5"}
    assert served == told[State.EVALUATION]["temperature"]
    assert not list((home / "rounds" / "1").iterdir()), "what lasts is published"


def test_the_policy_starts_at_the_reference_and_every_iteration_is_told(
    finished: tuple[Path, Store],
) -> None:
    _, store = finished
    with store.read() as tx:
        told = metrics.metrics(tx, 1, "ppo")
        drawn = metrics.samples(tx, 1, newest=10)
        policy = checkpoints.resolve(tx, "candidate")
        known = {one.id for one in prompts.split_prompts(tx, "train")}
    assert {at for at, _ in drawn} == {1, 2, 3, 4}
    assert {one.prompt_id for _, one in drawn} <= known
    last = [one.score for at, one in drawn if at == 4]
    assert len(last) == 4
    assert last == sorted(last)
    assert last[0] <= told[-1][1]["objective/scores"] <= last[-1]
    assert all(one.kl == 0.0 for at, one in drawn if at == 1)
    assert [iteration for iteration, _ in told] == [1, 2, 3, 4]
    assert policy.lineage["kl_coef"] == {"set": 0.1, "reached": told[-1][1]["objective/kl_coef"]}
    assert told[0][1]["objective/kl"] == 0.0
    assert all("objective/holdout" in figures for _, figures in told)


def test_people_are_asked_about_warmer_answers_of_a_tuned_model(
    finished: tuple[Path, Store],
) -> None:
    home, store = finished
    settings = load_settings(home)
    with store.read() as tx:
        names = checkpoints.aliases(tx)
        untuned, tuned = (
            {one.sampling["temperature"] for one in comparisons.responses_of(tx, of, "comparison")}
            for of in (names["previous"], names["champion"])
        )
    usual = settings.sampling.temperature
    assert untuned == {usual}
    assert tuned == {usual * settings.ppo.rollout_temperature}


@pytest.mark.timeout(1800)
def test_killed_in_every_state_and_without_gold_it_ends_as_it_did_and_repeats_no_finished_step(
    finished: tuple[Path, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_GOLD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with UpService(tmp_path / "home") as service:
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
            now, kept = steps_done(store), rated(store)
            assert {name: now[name] for name in before} == before
            assert saved <= kept
            before, saved = now, kept
            service.start()
        assert store is not None
        wait_for(store, in_state(1, State.PROMOTED), PATIENCE_S)
        now = steps_done(store)
        assert {name: now[name] for name in before} == before
        assert set(now) == {str(step) for step in STEPS}
        assert rated(store) == saved
        assert service.kill() == []
        with store.read() as tx:
            killed = rounds.round_(tx, 1)
        store.close()
    with finished[1].read() as tx:
        whole = rounds.round_(tx, 1)
    assert killed.state == whole.state
    assert killed.evaluation == whole.evaluation
    assert killed.decision == whole.decision
    assert killed.candidate == whole.candidate


def opened(service: UpService) -> Store | None:
    """The store as soon as the service has made it."""
    return service.store() if (service.home / "rlhf.db").exists() else None


def steps_done(store: Store) -> dict[str, float]:
    """Step of round 1 -> when it was finished."""
    with store.read() as tx:
        steps = {name: rounds.step(tx, 1, name) for name in STEPS}
    return {
        str(name): step.finished_at for name, step in steps.items() if step and step.finished_at
    }


def rated(store: Store) -> set[int]:
    with store.read() as tx:
        return {one.id for one in ratings.current_ratings(tx)}

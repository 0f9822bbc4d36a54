"""PPO that was killed ends in the adapter of PPO that was not; PPO that was stopped says why."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from ray_jobs.ppo_round import SMOOTHING
from rlhf.ppo.stops import WINDOW
from rlhf.rounds import State
from rlhf.store import metrics, open_store, rounds, schema
from tests.killed_ppo import (
    Point,
    before_ppo,
    candidate,
    candidate_after_a_kill,
    copied,
    ended_after_a_kill,
    points,
)

KILLS = 3
BUDGET = 1e-9
"""Nats that any policy goes beyond as soon as its estimated KL is above 0 at all."""
LONGER = 2 * WINDOW + 2

pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ppo") / "ready"
    before_ppo(home)
    return home


@pytest.mark.timeout(1200)
def test_a_run_killed_at_random_points_ends_in_the_same_bits(ready: Path, tmp_path: Path) -> None:
    copied(ready, tmp_path / "whole")
    whole = candidate(tmp_path / "whole")
    for number, point in enumerate(points(KILLS, seed=0, pace=1.0)):
        assert candidate_after_a_kill(ready, tmp_path / f"killed-{number}", point) == whole, point


@pytest.mark.timeout(1200)
def test_a_run_that_is_stopped_says_why_and_publishes_its_best_policy_killed_or_not(
    ready: Path, tmp_path: Path
) -> None:
    stopped, killed = tmp_path / "stopped", tmp_path / "killed"
    digest = candidate(changed(ready, stopped, kl_budget=BUDGET, iterations=LONGER))
    store = open_store(stopped)
    with store.read() as tx:
        step = rounds.step(tx, 1, State.PPO)
        told = metrics.metrics(tx, 1)
    store.close()
    assert step is not None
    assert step.output is not None
    kl = [figures["objective/kl"] for _, figures in told]
    over = next(
        end for end in range(WINDOW, LONGER) if fmean(kl[end - WINDOW : end]) - kl[0] > BUDGET
    )
    assert step.output["iterations"] == len(told) == over < LONGER
    assert "over the budget of 1e-09" in step.output["stopped"]
    held = [figures["objective/holdout"] for _, figures in told]
    means = [fmean(held[end - SMOOTHING : end]) for end in range(SMOOTHING, len(held) + 1)]
    assert step.output["kept"] == means.index(max(means)) + SMOOTHING
    changed(ready, killed, kl_budget=BUDGET, iterations=LONGER)
    assert ended_after_a_kill(killed, Point(iteration=over - 1, seconds=0.5)) == digest


def changed(ready: Path, home: Path, **ppo: Any) -> Path:
    """A copy of `ready` whose round has other settings of PPO."""
    copied(ready, home)
    store = open_store(home)
    with store.write() as tx:
        settings = rounds.round_(tx, 1).settings
        new = {**settings, "ppo": {**settings["ppo"], **ppo}}
        tx.execute(schema.rounds.update().values(settings=new))
    store.close()
    return home

"""PPO that was killed ends in the adapter of PPO that was not; PPO that was stopped says why."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from ray_jobs.ppo_round import SMOOTHING
from rlhf.ppo.stops import WINDOW
from rlhf.rounds import State
from rlhf.store import Connection, metrics, open_store, prompts, rounds
from tests.killed_ppo import (
    Point,
    candidate,
    candidate_after_a_kill,
    copied,
    ended_after_a_kill,
    longer,
    points,
)
from tests.ray_jobs.conftest import ONE_ROUND

KILLS = 3
BUDGET = 1e-9
"""Nats that any policy goes beyond as soon as its estimated KL is above 0 at all."""
LIMIT = 2 * WINDOW + 2

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group(ONE_ROUND)]


@pytest.fixture(scope="module")
def ready(at_ppo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return longer(at_ppo, tmp_path_factory.mktemp("ppo") / "ready")


@pytest.mark.timeout(1200)
def test_a_run_killed_at_random_points_ends_in_the_same_bits(ready: Path, tmp_path: Path) -> None:
    whole = candidate(copied(ready, tmp_path / "whole"))
    for number, point in enumerate(points(KILLS, seed=0, pace=1.0)):
        assert candidate_after_a_kill(ready, tmp_path / f"killed-{number}", point) == whole, point


@pytest.mark.timeout(1200)
def test_a_run_that_is_stopped_says_why_and_publishes_its_best_policy_killed_or_not(
    ready: Path, tmp_path: Path
) -> None:
    stopped, killed = tmp_path / "stopped", tmp_path / "killed"
    digest = candidate(longer(ready, stopped, kl_budget=BUDGET, iterations=LIMIT))
    told, output = result(stopped)
    kl = [figures["objective/kl"] for _, figures in told]
    over = next(
        end for end in range(WINDOW, LIMIT) if fmean(kl[end - WINDOW : end]) - kl[0] > BUDGET
    )
    assert output["iterations"] == len(told) == over < LIMIT
    assert "over the budget of 1e-09" in output["stopped"]
    held = [figures["objective/holdout"] for _, figures in told]
    means = [fmean(held[end - SMOOTHING : end]) for end in range(SMOOTHING, len(held) + 1)]
    assert output["kept"] == means.index(max(means)) + SMOOTHING
    assert output["figures"]["kl"] == kl[output["kept"] - 1]
    longer(ready, killed, kl_budget=BUDGET, iterations=LIMIT)
    point = Point(iteration=over - 1, seconds=0.5)
    assert ended_after_a_kill(killed, point, meanwhile=ask_something_new) == digest
    again, _ = result(killed)
    assert [figures["objective/kl"] for _, figures in again] == kl


def result(home: Path) -> tuple[list[tuple[int, dict[str, float]]], dict[str, Any]]:
    """Every iteration's figures, and what the step says of itself."""
    store = open_store(home)
    with store.read() as tx:
        told, step = metrics.metrics(tx, 1), rounds.step(tx, 1, State.PPO)
    store.close()
    assert step is not None
    assert step.output is not None
    return told, step.output


def ask_something_new(tx: Connection) -> None:
    """Prompts that were not there when the step began are the next round's."""
    new = [{"role": "user", "content": f"Where is the order number {n}?"} for n in range(40)]
    prompts.add_prompts(tx, [prompts.NewPrompt([one], source="test", split="train") for one in new])

"""A round's PPO step, killed at a random point and started again, for a test and a benchmark."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ray_jobs import controller, crew, supervisor, tether
from ray_jobs.ray_environment import private_environment
from rlhf.home import make_home
from rlhf.rounds import State
from rlhf.settings import load_settings
from rlhf.store import Store, metrics, open_store, rounds
from tests.live_service import LOOK_S, SMALL

ITERATIONS = 6
SETTINGS = (
    SMALL.replace("iterations = 4", f"iterations = {ITERATIONS}")
    .replace("rollouts = 8\nminibatch = 8\nepochs = 1", "rollouts = 12\nminibatch = 4\nepochs = 2")
    .replace("workers = 1", "workers = 2")
)


@dataclass(frozen=True, slots=True)
class Point:
    """Where to kill: when `iteration` iterations are told, and `seconds` later."""

    iteration: int
    seconds: float


def points(count: int, seed: int, *, pace: float) -> list[Point]:
    """Random points of a run whose iterations take `pace` seconds."""
    rng = Random(f"kill {seed}")
    return [Point(rng.randrange(ITERATIONS), rng.uniform(0, pace)) for _ in range(count)]


def before_ppo(home: Path) -> None:
    """A home whose first round has its reward models and comes to PPO next."""
    make_home(home)
    (home / "rlhf.toml").write_text(SETTINGS)
    supervisor.prepare(home, None)
    store = open_store(home, load_settings(home).database)
    members = crew.hire(store, 2, 0)

    def there(_: controller.Service) -> bool:
        with store.read() as tx:
            now = rounds.current_round(tx)
        if now is not None and now.state == State.COLLECTING:
            crew.rate_all(store, members, 0, limit=10_000)
        return now is not None and now.state == State.PPO

    controller.run(controller.Service(home, store, threading.Event()), until=there)
    store.close()


def copied(ready: Path, home: Path) -> None:
    """Another home with the same past, less the sockets of Ray's last session."""
    shutil.copytree(ready, home, ignore=shutil.ignore_patterns("ray"))


def candidate(home: Path) -> str:
    """Run PPO to its end; the candidate's digest."""
    store = open_store(home)
    with _runner(home, store) as runner:
        assert runner.wait(timeout=300) == 0, (home / "ppo.log").read_text()[-2000:]
    with store.read() as tx:
        digest = rounds.round_(tx, 1).candidate
    store.close()
    assert digest is not None
    return digest


def candidate_after_a_kill(ready: Path, home: Path, point: Point) -> str:
    """The digest of a run on a copy of `ready` that was killed at `point` and started again."""
    copied(ready, home)
    return ended_after_a_kill(home, point)


def ended_after_a_kill(home: Path, point: Point) -> str:
    """The digest of a run in `home` itself that was killed at `point` and started again."""
    store = open_store(home)
    with _runner(home, store) as runner:
        patience = threading.Event()
        while _told(store) < point.iteration and runner.poll() is None:
            patience.wait(LOOK_S)
        patience.wait(point.seconds)
        runner.kill()
    tether.sweep(home)
    with store.read() as tx:
        ended = rounds.round_(tx, 1)
    store.close()
    if ended.state != State.PPO:
        assert ended.candidate is not None
        return ended.candidate
    return candidate(home)


def _runner(home: Path, store: Store) -> subprocess.Popen[bytes]:
    with store.write() as tx:
        fence = rounds.claim(tx, 1)
        rounds.start_step(tx, 1, State.PPO, fence)
    with (home / "ppo.log").open("ab") as log:
        return tether.spawn(
            [sys.executable, "-m", "ray_jobs.runner", "--home", str(home), "1", "ppo", str(fence)],
            home=home,
            log=log,
            namespaces=tether.isolation(network=True),
            env=private_environment(home),
        )


def _told(store: Store) -> int:
    with store.read() as tx:
        return len(metrics.metrics(tx, 1, "ppo"))

"""A round's PPO step, killed at a random point and started again, for a test and a benchmark."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ray_jobs import controller, crew, supervisor, tether
from ray_jobs.ray_environment import private_environment
from rlhf.home import make_home
from rlhf.rounds import State
from rlhf.settings import load_settings
from rlhf.store import Connection, Store, metrics, open_store, rounds, schema
from tests.live_service import LOOK_S, SMALL

ITERATIONS = 6
LONGER = {
    "ppo": {"iterations": ITERATIONS, "rollouts": 12, "minibatch": 4, "epochs": 2},
    "ray": {"workers": 2},
}
"""What such a round has other than the small one: more to be killed in, by more processes."""


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
    """A home whose first, small round has its reward models and comes to PPO next.

    The operator's account comes before the crew's, as with `rlhf up`.
    """
    make_home(home)
    (home / "rlhf.toml").write_text(SMALL)
    supervisor.prepare(home, None)
    supervisor.sign_in_link(home, "http://nobody")
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


def copied(ready: Path, home: Path) -> Path:
    """Another home with the same past, less the sockets of Ray's last session."""
    shutil.copytree(ready, home, ignore=shutil.ignore_patterns("ray"))
    return home


def longer(ready: Path, home: Path, **ppo: Any) -> Path:
    """A copy of `ready` whose round is LONGER, with these settings of PPO besides."""
    store = open_store(copied(ready, home))
    with store.write() as tx:
        plain = rounds.round_(tx, 1).settings
        changed = {name: {**plain[name], **new} for name, new in LONGER.items()}
        changed["ppo"] |= ppo
        tx.execute(schema.rounds.update().values(settings={**plain, **changed}))
    store.close()
    return home


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
    return ended_after_a_kill(copied(ready, home), point)


def ended_after_a_kill(
    home: Path, point: Point, meanwhile: Callable[[Connection], object] = lambda _: None
) -> str:
    """The digest of a run in `home` itself that was killed at `point` and started again.

    `meanwhile`: what others write before it starts again.
    """
    store = open_store(home)
    with _runner(home, store) as runner:
        patience = threading.Event()
        while _told(store) < point.iteration and runner.poll() is None:
            patience.wait(LOOK_S)
        patience.wait(point.seconds)
        runner.kill()
    tether.sweep(home)
    with store.write() as tx:
        meanwhile(tx)
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

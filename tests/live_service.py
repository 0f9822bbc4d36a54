"""A real `rlhf up` for tests: started, watched through the database, killed, started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from ray_jobs import crew, tether
from rlhf.rounds import State
from rlhf.store import Store, open_store, rounds

LOOK_S = 0.005
"""Seconds between two looks at the database: short, to meet states that last milliseconds."""

ONE_WORKER = "[ray]\nworkers = 1\n"
"""What a worker imports takes it longer than a test's few answers."""

SMALL = f"""
seed = 5
[feedback]
comparisons_per_round = 24
ratings_per_round = 24
[sampling]
max_new_tokens = 24
[reward]
epochs = 1
batch_size = 4
heldout_share = 0.3
[ppo]
iterations = 4
rollouts = 8
minibatch = 8
epochs = 1
value_warmup = 1
[evaluation]
prompts = 12
bootstrap = 200
{ONE_WORKER}[gate]
min_preferences = 1
min_accuracy = 0.0
min_win_rate = 0.0
max_kl = 1000.0
max_length_drift = 100.0
max_repetition = 1.0
"""
"""A round of seconds whose gates let everything through."""


class Service:
    """`rlhf up` on a home, with a crew that rates whatever is asked."""

    def __init__(self, home: Path, settings: str = SMALL) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "rlhf.toml").write_text(settings)
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it the way a user does, on any free port."""
        command = [sys.executable, "-m", "rlhf.cli", "up", "--home", str(self.home), "--port", "0"]
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def processes(self) -> list[psutil.Process]:
        """Every living process of this home's service."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(tether.MARK) == str(self.home):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def kill(self) -> list[psutil.Process]:
        """`kill -9` for the parent and every child that can be named; returns who is left."""
        if self.process is None:
            return []
        family = self.processes()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        _, left = psutil.wait_procs(family, timeout=10)
        _, late = psutil.wait_procs(self.processes(), timeout=10)
        self.process = None
        return [*left, *late]

    def store(self) -> Store:
        """The service's own database, opened beside it."""
        return open_store(self.home)


def wait_for(store: Store, happened: Callable[[list[rounds.Round]], bool], seconds: float) -> None:
    """Look at the rounds until `happened`; AssertionError after `seconds`."""
    patience = threading.Event()
    for _ in range(int(seconds / LOOK_S)):
        with store.read() as tx:
            known = rounds.all_rounds(tx)
        if happened(known):
            return
        patience.wait(LOOK_S)
    seen = [(one.id, one.state, one.error) for one in known]
    raise AssertionError(f"not within {seconds} s; rounds: {seen}")


def in_state(round_id: int, state: State) -> Callable[[list[rounds.Round]], bool]:
    """Whether a round has come to `state` (or, for states that last no time, beyond it)."""

    def happened(known: list[rounds.Round]) -> bool:
        order = list(State)
        mine = next((one for one in known if one.id == round_id), None)
        return mine is not None and order.index(State(mine.state)) >= order.index(state)

    return happened


def rate_everything(store: Store) -> int:
    """A small crew rates all open comparisons."""
    return crew.rate_all(store, crew.hire(store, 2, 0), 0, limit=10_000)

"""The real web process over a home, for tests that need a server or kill one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from rlhf.store import Store, people

PATIENCE_S = 60.0
LOOK_S = 0.05


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Web:
    """`python -m feedback_app` on a home; `start` again after `kill` to see what was kept."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when the process answers."""
        command = [sys.executable, "-m", "feedback_app", "--home", str(self.home)]
        with (self.home / "web.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)], stdout=log, stderr=log
            )
        patience = threading.Event()
        for _ in range(int(PATIENCE_S / LOOK_S)):
            if self.process.poll() is not None or self.answers():
                break
            patience.wait(LOOK_S)
        assert self.answers(), (self.home / "web.log").read_text()
        (self.home / "run").mkdir(exist_ok=True)
        (self.home / "run" / "url").write_text(self.url)

    def answers(self) -> bool:
        """Whether the port is served."""
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """`kill -9`."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def link(self, store: Store, name: str, role: str) -> str:
        """A one-time link that signs `name` in."""
        with store.write() as tx:
            return f"{self.url}/join/{people.invite(tx, name, role)}"

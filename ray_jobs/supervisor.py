"""`rlhf up`: one parent for the web process and the controller.

It opens the home, prints a sign-in link, starts both children tethered to itself, and starts one
again when it dies. The home's lock admits one service; a killed one is swept up by the next.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.error import URLError

from rich.console import Console

from ray_jobs import tether
from rlhf.errors import RLHFError, UsageError
from rlhf.home import make_home, sole_service
from rlhf.settings import Settings, Web, load_settings
from rlhf.store import facts, open_store, people

READY_S = 120.0
"""Longest wait for the first page; a cold disk may take a while to read Gradio."""
RESTART_PAUSE_S = 2.0
GRACE_S = 10.0
"""Seconds that a child has to end after SIGTERM."""
OPERATOR = "operator"
"""Name of the account that the printed link signs in."""
LINK_HOURS = 1.0


def up(home: Path, base: str | None, settings: Settings, *, open_browser: bool = False) -> int:
    """Run the service until Ctrl-C or SIGTERM; returns the exit code.

    Raises UsageError when another service holds the home or the port is taken, ModelError for an
    unusable base.
    """
    console = Console()
    fresh = not home.exists()
    make_home(home)
    with sole_service(home):
        try:
            prepare(home, base, console)
        except UsageError:
            if fresh:
                shutil.rmtree(home)
            raise
        port = _free_port(settings.web)
        stopping = _stop_on_signals()
        children: dict[str, Callable[[], subprocess.Popen[bytes]]] = {
            "web": lambda: tether.spawn(_web_command(home, settings.web, port), home=home),
            "controller": lambda: tether.spawn(
                [sys.executable, "-m", "ray_jobs.controller", "--home", str(home)], home=home
            ),
        }
        running = {name: start() for name, start in children.items()}
        try:
            _wait_ready(running["web"], settings.web.host, port)
            address = f"http://{settings.web.host}:{port}"
            (home / "run" / "url").write_text(address + "\n", encoding="utf-8")
            link = sign_in_link(home, address)
            console.print("\n  The service is up. Sign in once with this link (valid one hour):\n")
            console.print(f"  [bold]{link}[/]\n", soft_wrap=True, highlight=False)
            console.print("  Stop with Ctrl-C; start again with the same command.\n")
            if open_browser:
                webbrowser.open(link)
            _keep_running(children, running, stopping, console)
        finally:
            _end(running)
    return 0


def prepare(home: Path, base: str | None, console: Console | None = None) -> None:
    """Sweep up after a killed service, then open the home (a process of its own).

    Raises UsageError with the opening's own words when it refuses.
    """
    tether.sweep(home)
    if base is None and _opened(home):
        return
    command = [sys.executable, "-m", "ray_jobs.opening", "--home", str(home)]
    command += ["--base", base] if base else []
    busy: AbstractContextManager[object] = (
        console.status("Checking the model and the database") if console else nullcontext()
    )
    with busy:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, tether.MARK: str(home)},
        )
    if done.returncode == UsageError.exit_code:
        raise UsageError(done.stderr.strip().removeprefix("error: "))
    if done.returncode:
        raise RLHFError(f"the home could not be opened:\n{done.stderr.strip()}")


def _opened(home: Path) -> bool:
    """Whether the home has its base and its first champion."""
    if not (home / "rlhf.db").exists():
        return False
    store = open_store(home, load_settings(home).database)
    with store.read() as tx:
        recorded = facts.get(tx, "base")
    store.close()
    return recorded is not None


def sign_in_link(home: Path, address: str) -> str:
    """A one-time link that signs the operator in at `address` (`http://host:port`)."""
    store = open_store(home, load_settings(home).database)
    with store.write() as tx:
        token = people.invite(tx, OPERATOR, "operator", hours=LINK_HOURS)
    store.close()
    return f"{address}/join/{token}"


def _web_command(home: Path, web: Web, port: int) -> list[str]:
    command = [sys.executable, "-m", "feedback_app", "--home", str(home)]
    return [*command, "--host", web.host, "--port", str(port)]


def _free_port(web: Web) -> int:
    """The port to serve on: the wanted one if it is free, any free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((web.host, web.port))
        except OSError as taken:
            raise UsageError(
                f"port {web.port} on {web.host} cannot be used ({taken.strerror}). "
                "Give another with --port, or --port 0 for any free one"
            ) from taken
        return int(probe.getsockname()[1])


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _wait_ready(web: subprocess.Popen[bytes], host: str, port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if web.poll() is not None:
            raise RLHFError(
                f"the web process ended with code {web.returncode} before its first page"
            )
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=2):
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise RLHFError(f"no page answered on port {port} within {READY_S:.0f} s")


def _keep_running(
    children: dict[str, Callable[[], subprocess.Popen[bytes]]],
    running: dict[str, subprocess.Popen[bytes]],
    stopping: threading.Event,
    console: Console,
) -> None:
    """Start a child again when it dies, until somebody stops the service."""
    while not stopping.wait(RESTART_PAUSE_S):
        for name, child in running.items():
            if child.poll() is not None:
                console.print(f"{name} ended with code {child.returncode}; starting it again")
                running[name] = children[name]()


def _end(running: dict[str, subprocess.Popen[bytes]]) -> None:
    for child in running.values():
        child.terminate()
    for child in running.values():
        try:
            child.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

"""Children of a killed parent must be gone, with whatever they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ray_jobs import tether

GRANDPARENT = """
import subprocess, sys, time
from pathlib import Path
from ray_jobs import tether
home = Path(sys.argv[1])
namespaces = tether.isolation(network=False) if sys.argv[2] == "namespaces" else ()
child = tether.spawn(
    [sys.executable, "-c", "import subprocess, sys; subprocess.Popen(['sleep', '600']);"
     "print('started', flush=True); subprocess.run(['sleep', '600'])"],
    home=home, namespaces=namespaces,
)
child.wait()
"""


def marked(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(tether.MARK) == str(home):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def start_family(home: Path, mode: str) -> subprocess.Popen[bytes]:
    parent = subprocess.Popen(
        [sys.executable, "-c", GRANDPARENT, str(home), mode], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"started\n"
    return parent


@pytest.mark.slow
def test_nothing_of_a_killed_parent_survives_in_a_process_namespace(tmp_path: Path) -> None:
    parent = start_family(tmp_path, "namespaces")
    family = marked(tmp_path)
    if not tether.isolation(network=False):
        family = [one for one in family if one.ppid() == parent.pid]
    assert family
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


@pytest.mark.slow
def test_sweep_ends_what_a_killed_parent_left_where_namespaces_are_missing(tmp_path: Path) -> None:
    parent = start_family(tmp_path, "plain")
    family = marked(tmp_path)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    tether.sweep(tmp_path)
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_sweep_leaves_the_processes_of_another_home_alone(tmp_path: Path) -> None:
    other = tether.spawn(["sleep", "600"], home=tmp_path / "other")
    try:
        assert tether.sweep(tmp_path / "mine") == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()

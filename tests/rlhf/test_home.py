"""One service per home, and errors that say what to do."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf.errors import UsageError
from rlhf.home import existing_home, make_home, service_runs, sole_service

HOLD = """
import sys
from pathlib import Path
from rlhf.home import sole_service
with sole_service(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(room.stat().st_mode) for room in home.iterdir()} == {0o700}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match=r"taken.*--home"):
        make_home(tmp_path / "taken")


def test_a_folder_without_a_service_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rlhf up --home"):
        existing_home(tmp_path)


def test_a_second_service_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"held\n"
    assert service_runs(home)
    with pytest.raises(UsageError, match=str(first.pid)), sole_service(home):
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not service_runs(home)

"""The home folder of one service: where its database, checkpoints, logs and locks lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlhf.errors import UsageError
from rlhf.locking import held_alone

FOLDERS = ("checkpoints", "rounds", "tmp", "logs", "run")


def make_home(home: Path) -> Path:
    """Create the folder and its rooms, for this user alone; returns it.

    Raises UsageError where the path cannot be such a folder.
    """
    os.umask(0o077)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        for name in FOLDERS:
            (home / name).mkdir(mode=0o700, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as unusable:
        raise UsageError(
            f"{home} cannot be the home folder ({unusable.strerror}). Give another with --home"
        ) from unusable
    return home


def existing_home(home: Path) -> Path:
    """The folder of a service that was started before.

    Raises UsageError with the command that starts one.
    """
    if not (home / "run").is_dir():
        raise UsageError(
            f"no service lives in {home}. Start one with `rlhf up --home {home}`, "
            "or give its folder with --home"
        )
    return home


@contextmanager
def sole_service(home: Path) -> Iterator[None]:
    """Hold the home's lock; the system releases it even after `kill -9`.

    Raises UsageError when another service holds it.
    """

    def taken(owner: str) -> str:
        return (
            f"a service already runs on {home} (process {owner}). "
            "Use it, stop it with Ctrl-C, or give another folder with --home"
        )

    with held_alone(home / "run" / "up.lock", taken):
        yield


def service_runs(home: Path) -> bool:
    """Whether another process holds the home's lock now."""
    try:
        with sole_service(home):
            return False
    except UsageError:
        return True

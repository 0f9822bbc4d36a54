"""A Ray cluster for one step: a private one on this machine, or the operator's own.

Private means: started by this driver, gone with it, reachable from loopback alone, with a token
that only this user can read (`ray_environment`). Ray is disposable here; what matters lies in
the database and in the checkpoint store.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.exceptions import RayTaskError

from ray_jobs import tether
from rlhf import settings
from rlhf.errors import RLHFError, UsageError

OBJECT_STORE_BYTES = 256 * 2**20
"""Adapters and rollouts are megabytes; the frozen base is read from disk by every worker."""

SOCKET_FOLDER_LIMIT = 40
"""Longest temporary folder under which Ray's socket paths stay below the kernel's 107 bytes."""


@contextmanager
def cluster(home: Path, wanted: settings.Ray, *, cpus: int, apart: bool = False) -> Iterator[None]:
    """Connect to `wanted.address`, or start a private cluster with `cpus` CPUs; leave it after.

    `apart`: in a scratch folder of its own, since a round of the same home may be running.
    Raises UsageError when the operator's cluster cannot be reached, and what a worker raises for
    people as it raised it.
    """
    scratch = None
    if wanted.address:
        try:
            ray.init(address=wanted.address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, TimeoutError) as lost:
            raise UsageError(
                f"no Ray cluster answers at {wanted.address} ({lost}). "
                "Start it with `ray start --head`, or remove ray.address from rlhf.toml"
            ) from lost
    else:
        scratch = Path(tempfile.mkdtemp(prefix="rlhf-", dir="/tmp")) if apart else None
        _start_private(scratch or _session_folder(home), cpus)
    try:
        yield
    except RayTaskError as failed:  # of its cause's class as well, but with a traceback for words
        if isinstance(failed.cause, RLHFError):
            raise failed.cause from failed
        raise
    finally:
        ray.shutdown()
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


def _start_private(folder: Path, cpus: int) -> None:
    tether.raise_loopback()
    ray.init(
        address="local",  # whatever RAY_ADDRESS says
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder),
    )


def _session_folder(home: Path) -> Path:
    """Ray's scratch folder, emptied: in the home, or in /tmp where the home's path is too long."""
    folder = home / "run" / "ray"
    if len(str(folder)) > SOCKET_FOLDER_LIMIT:
        name = hashlib.sha256(str(home).encode()).hexdigest()[:8]
        folder = Path("/tmp") / f"rlhf-{os.getuid()}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as taken:
        raise RLHFError(f"{folder} belongs to somebody else; remove it and try again") from taken
    return folder

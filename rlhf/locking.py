"""A lock that one process holds, and that the system releases however that process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rlhf.errors import UsageError


@contextmanager
def held_alone(file: Path, otherwise: Callable[[str], str]) -> Iterator[None]:
    """Hold the lock on `file`, in which the holder's process id stands.

    While another process holds it, raises UsageError with what `otherwise` says of that process.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise UsageError(otherwise(owner)) from held
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)

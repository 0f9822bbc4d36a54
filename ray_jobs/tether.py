"""Children that cannot outlive their parent.

The controller's runner starts Ray, and Ray starts a dozen processes of its own. Where the system
allows namespaces, the runner gets a process namespace that dies with it, and (for a private
cluster) a network namespace with nothing but loopback, because Ray binds ports on every
interface. Elsewhere the kernel's parent-death signal ends the runner, and `sweep` ends whatever
it left behind before a new one starts.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

MARK = "RLHF_SERVICE"
"""Environment variable that every process of a service carries; its value is the home folder."""

PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends (prctl(2)).

    A parent that was killed before the question was asked leaves no signal: end here.
    """
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def spawn(
    command: Sequence[str],
    *,
    home: Path,
    log: IO[bytes] | None = None,
    namespaces: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that dies with the calling thread, marked as part of this home's service.

    `namespaces` holds `unshare` flags (see `isolation`); `log` takes both output streams.
    """
    wrapped = ["unshare", *namespaces, "--", *command] if namespaces else list(command)
    return subprocess.Popen(
        wrapped,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        env={**os.environ, **(env or {}), MARK: str(home)},
        preexec_fn=functools.partial(die_with_parent, os.getpid()),
    )


@functools.cache
def isolation(*, network: bool) -> tuple[str, ...]:
    """The `unshare` flags that work here, or none: a process namespace, and a network one."""
    alone = ("-n",) if network else ()
    flags = ("-U", "-r", "-p", "-f", "--mount-proc", "--kill-child", *alone)
    if shutil.which("unshare") is None:
        return ()
    probe = subprocess.run(
        ["unshare", *flags, "--", "true"], capture_output=True, check=False, timeout=20
    )
    return flags if probe.returncode == 0 else ()


def raise_loopback() -> None:
    """Bring `lo` up in a fresh network namespace (netdevice(7)); elsewhere it already is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        ask = struct.pack("16sh", b"lo", 0)
        (flags,) = struct.unpack("16xh", fcntl.ioctl(control, SIOCGIFFLAGS, ask)[:18])
        if not flags & IFF_UP:
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def sweep(home: Path) -> int:
    """Kill what an earlier, killed service of this home left running; returns how many.

    Only for whoever holds the home's lock: every marked process that is neither this one nor one
    of its ancestors is a leftover.
    """
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    leftovers = []
    for process in psutil.process_iter(["pid"]):
        if process.pid in mine:
            continue
        try:
            if process.environ().get(MARK) == str(home):
                process.kill()
                leftovers.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    psutil.wait_procs(leftovers, timeout=10)
    return len(leftovers)

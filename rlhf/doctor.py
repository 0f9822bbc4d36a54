"""`rlhf doctor`: is this machine, and this home, fit to run the service?

Every check says what it found and, where something is amiss, what to do. Nothing is changed.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from packaging.version import Version

from rlhf import registry
from rlhf.checks import Check, Verdict, judge
from rlhf.errors import RLHFError, UsageError
from rlhf.home import existing_home
from rlhf.settings import load_settings
from rlhf.store import Store, checkpoints, open_store, upkeep

GIB = 2**30
FLOORS = {"torch": "2.10", "transformers": "5.2.1", "ray": "2.56", "gradio": "6.20"}
"""Oldest versions without known security holes that matter here."""
SQLITE_FLOOR = "3.51.3"
"""Older ones can corrupt a write-ahead log that two processes reset at once."""
RESTORE = "move rlhf.db* away and put the last `rlhf backup` there as rlhf.db"


def examine(home: Path, *, isolated: bool) -> Iterator[Check]:
    """Check the machine, then the home if there is one.

    `isolated` says whether child processes get namespaces of their own (ray_jobs knows).
    """
    yield _python()
    yield from map(_package, FLOORS)
    yield _sqlite()
    yield _processors()
    yield _memory()
    yield _disk(home)
    yield _isolation(isolated)
    try:
        existing_home(home)
    except UsageError:
        yield Check("home", Verdict.OK, f"no service lives in {home} yet; `rlhf up` starts one")
        return
    yield _privacy(home)
    yield from _contents(home)


def _python() -> Check:
    return judge(
        "python",
        sys.version.split()[0],
        ok=sys.version_info >= (3, 11),
        otherwise=Verdict.BAD,
        advice="Python 3.11 or newer is needed: `make setup PYTHON=/path/to/python3`",
    )


def _package(name: str) -> Check:
    version = importlib.metadata.version(name)
    return judge(
        name,
        version,
        ok=Version(version) >= Version(FLOORS[name]),
        otherwise=Verdict.BAD,
        advice=f"{FLOORS[name]} fixes known holes: `make setup` installs the pinned version",
    )


def _sqlite() -> Check:
    version = upkeep.sqlite_version()
    return judge(
        "sqlite",
        version,
        ok=Version(version) >= Version(SQLITE_FLOOR),
        otherwise=Verdict.BAD,
        advice=f"{SQLITE_FLOOR} is needed: `make setup` installs it with pysqlite3",
    )


def _processors() -> Check:
    count = len(os.sched_getaffinity(0))
    return judge(
        "processors",
        str(count),
        ok=count >= 2,
        otherwise=Verdict.WARN,
        advice="with one core, set ray.workers = 1 in rlhf.toml and expect twice the time",
    )


def _memory() -> Check:
    free = psutil.virtual_memory().available
    return judge(
        "memory",
        f"{free / GIB:.1f} GiB available",
        ok=free >= 4 * GIB,
        otherwise=Verdict.WARN,
        advice="a round on the starter takes about 4 GiB; close something or use fewer workers",
    )


def _disk(home: Path) -> Check:
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    return judge(
        "disk",
        f"{free / GIB:.1f} GiB free at {folder}",
        ok=free >= 5 * GIB,
        otherwise=Verdict.WARN if free >= GIB else Verdict.BAD,
        advice="make room, or give a folder on another disk with --home",
    )


def _isolation(isolated: bool) -> Check:
    return judge(
        "isolation",
        "namespaces of their own for runners" if isolated else "none",
        ok=isolated,
        otherwise=Verdict.WARN,
        advice="user namespaces are off here: Ray's ports are open to other users of this machine",
    )


def _privacy(home: Path) -> Check:
    mode = stat.S_IMODE(home.stat().st_mode)
    return judge(
        "home",
        f"{home} with mode {mode:04o}",
        ok=not mode & 0o077,
        otherwise=Verdict.BAD,
        advice=f"others can read it: chmod 700 {home}",
    )


def _contents(home: Path) -> Iterator[Check]:
    """Settings, database and checkpoints; what cannot be read is itself a finding."""
    try:
        store = open_store(home, load_settings(home).database)
    except RLHFError as unusable:
        yield Check("settings and database", Verdict.BAD, str(unusable), "see the message")
        return
    try:
        database = _integrity(store)
        yield database
        if database.verdict is Verdict.OK:
            yield from _published(home, store)
    finally:
        store.close()


def _integrity(store: Store) -> Check:
    faults = upkeep.integrity(store)
    return judge(
        "database",
        "; ".join(faults[:3]) or "sound",
        ok=not faults,
        otherwise=Verdict.BAD,
        advice=f"stop the service; {RESTORE}",
    )


def _published(home: Path, store: Store) -> Iterator[Check]:
    with store.read() as tx:
        known = [one for kind in ("policy", "reward") for one in checkpoints.checkpoints(tx, kind)]
    digests = [one.digest for one in known]
    yield _verified(home, digests)
    yield _recorded(home, digests)


def _verified(home: Path, digests: Sequence[str]) -> Check:
    broken = []
    for digest in digests:
        try:
            registry.verify(home, digest)
        except RLHFError as damage:
            broken.append(str(damage))
    return judge(
        "checkpoints",
        "; ".join(broken[:3]) or f"{len(digests)} verified",
        ok=not broken,
        otherwise=Verdict.BAD,
        advice="do not serve or promote these; restore the folder from a copy",
    )


def _recorded(home: Path, digests: Sequence[str]) -> Check:
    """A database that is older than its folder, or new in the place of a lost one, lacks some."""
    folders = {path.name for path in (home / "checkpoints").glob("[!.]*/")}
    lacking = sorted(folders - set(digests))
    return judge(
        "records",
        f"not in the database: checkpoints/{', '.join(name[:12] for name in lacking[:3])}"
        if lacking
        else "every published folder is in the database",
        ok=not lacking,
        otherwise=Verdict.WARN if digests else Verdict.BAD,
        advice="what was stopped in the middle enters its own when it goes on (`rlhf up`); "
        f"if the database was lost or is an old one, stop the service; {RESTORE}",
    )

"""Looking after the database: is it sound, and a copy of it in one file while it is in use."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import cast

import pysqlite3

from rlhf.errors import RLHFError, UsageError
from rlhf.store.engine import Store


def sqlite_version() -> str:
    """The SQLite that the store uses, which is not the system's."""
    return str(pysqlite3.sqlite_version)


def integrity(store: Store) -> list[str]:
    """What is wrong with the database, a sentence each; a server checks its own."""
    if store.engine.dialect.name != "sqlite":
        return []
    try:
        with store.read() as tx:
            pages = tx.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            orphans = tx.exec_driver_sql("PRAGMA foreign_key_check").all()
    except RLHFError as damaged:
        return [str(damaged)]
    faults = [str(line) for line in pages if line != "ok"]
    return faults + [
        f"a row of {row[0]} points at a row of {row[2]} that is gone" for row in orphans
    ]


def backup(store: Store, file: Path) -> int:
    """Copy the database, as of one moment, into the new file; returns its size in bytes.

    The copy is checked before it gets its name. Raises UsageError where `file` exists or cannot
    be made, or the database is a server's.
    """
    if store.engine.dialect.name != "sqlite":
        raise UsageError("the database is on a server; copy it with the server's own tools")
    if file.exists():
        raise UsageError(f"{file} exists already, and a backup never overwrites; give a new name")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file.parent} is no folder; make it first")
    unnamed = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        _copy(store, unnamed)
        size = _settle(unnamed)
        os.link(unnamed, file)
    except (OSError, pysqlite3.DatabaseError) as trouble:
        raise RLHFError(f"the backup could not be written to {file} ({trouble})") from trouble
    finally:
        unnamed.unlink(missing_ok=True)
    return size


def _copy(store: Store, target: Path) -> None:
    """One pass of SQLite's online backup; writers go on meanwhile."""
    target.touch(mode=0o600)
    source = store.engine.raw_connection()
    copy = pysqlite3.connect(target)
    try:
        cast(pysqlite3.Connection, source.driver_connection).backup(copy)
        copy.execute("PRAGMA journal_mode=delete")
        faults = [row[0] for row in copy.execute("PRAGMA integrity_check") if row[0] != "ok"]
    finally:
        copy.close()
        source.close()
    if faults:
        raise RLHFError(f"the copy is damaged ({faults[0]}); run `rlhf doctor`")


def _settle(file: Path) -> int:
    """Onto the disk; returns the size in bytes."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)

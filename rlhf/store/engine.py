"""Opens the database: the engine, its transactions, its migrations.

SQLite through `pysqlite3` (the system's library may carry a corrupting race in WAL mode that
3.51.3 mends), or PostgreSQL by URL. Every write transaction begins with the right to write, so
that nobody is told "database is locked" half-way through.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pysqlite3
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from rlhf.errors import RLHFError, UsageError

FIXED_SQLITE = (3, 51, 3)
"""First SQLite without the WAL-reset race (https://sqlite.org/wal.html#walresetbug)."""

BUSY_MS = 30_000
MIGRATIONS = Path(__file__).with_name("migrations")
MIGRATION_LOCK = 72_611_947
"""Key of the PostgreSQL advisory lock that lets one process migrate."""

PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}


class Store:
    """One open database. Thread safe; close it when done."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(rlhf_write=True)
        alone = engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[object] = threading.RLock() if alone else nullcontext()
        """Threads of one process wait here; SQLite would let each sleep and try again."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; commits at the end, rolls back on any error."""
        with _in_words(), self._turn, self._writer.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with _in_words(), self.engine.connect() as tx:
            yield tx

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def open_store(home: Path, url: str | None = None) -> Store:
    """Open (and create or migrate) the database of a home.

    Raises UsageError for a database that a newer version of this program has written or that was
    lost from a home with checkpoints, RLHFError where it cannot be opened.
    """
    engine = _engine(url or f"sqlite:///{home / 'rlhf.db'}")
    with _in_words(), _one_opener(engine, home):
        if url is None:
            _refuse_lost(home)
        _migrate(engine)
    return Store(engine)


def _refuse_lost(home: Path) -> None:
    """An empty database in the place of one that was lost would hide the loss."""
    file = home / "rlhf.db"
    if file.exists() and file.stat().st_size:
        return
    models = home / "checkpoints"
    if any(models.glob("[!.]*/")):
        raise UsageError(
            f"{file} is {'empty' if file.exists() else 'gone'}, though {models} holds published "
            f"models. Move {file}* away and put the last `rlhf backup` there as {file.name}; "
            "nothing was changed"
        )


def _engine(url: str) -> Engine:
    makers = {"postgresql": _postgresql, "sqlite": _sqlite}
    try:
        return makers[make_url(url).get_backend_name()](url)
    except (exc.ArgumentError, ImportError, KeyError, ValueError) as unknown:
        raise UsageError(
            "the setting 'database' (or RLHF_DATABASE) is no URL of a PostgreSQL or SQLite "
            "database; give one such as postgresql+psycopg://user@host/name, or leave it out"
        ) from unknown


def _postgresql(url: str) -> Engine:
    return create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")


def _sqlite(url: str) -> Engine:
    if pysqlite3.sqlite_version_info < FIXED_SQLITE:
        raise RLHFError(f"SQLite {pysqlite3.sqlite_version} may corrupt; install pysqlite3>=0.6.1")
    engine = create_engine(url, module=pysqlite3, pool_size=16, max_overflow=48)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    for name, wanted in PRAGMAS.items():
        cursor.execute(f"PRAGMA {name}={wanted}")
        cursor.execute(f"PRAGMA {name}")
        (found,) = cursor.fetchone() or (None,)
        if found != wanted:
            raise RLHFError(f"SQLite refuses PRAGMA {name}={wanted} here; use a local disk")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("rlhf_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn the database's own trouble into a sentence."""
    try:
        yield
    except exc.DatabaseError as trouble:
        if type(trouble) not in (exc.OperationalError, exc.DatabaseError):
            raise
        reason = str(trouble.orig).splitlines()[0]
        raise RLHFError(
            f"the database cannot do this now ({reason}). Nothing was changed; check the disk "
            "and the server, then try again"
        ) from trouble


def _migrate(engine: Engine) -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    with engine.connect() as tx:
        at = MigrationContext.configure(tx).get_current_revision()
    if at == script.get_current_head():
        return
    known = {revision.revision for revision in script.walk_revisions()}
    if at is not None and at not in known:
        raise UsageError(
            f"the database was written by a newer version of this program (revision {at}). "
            "Update the program; the database was not touched"
        )
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    command.upgrade(config, "head")


@contextmanager
def _one_opener(engine: Engine, home: Path) -> Iterator[None]:
    """One process at a time looks at the version and migrates.

    On SQLite this covers the very first connection too: switching a new file to WAL needs it
    alone, and the busy timeout does not wait for that.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect() as tx:
            tx.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            yield
            tx.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        return
    lock = home / "migrate.lock"
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as unusable:
        raise RLHFError(
            f"{lock} cannot be opened ({unusable.strerror}). It is an empty file that this "
            "program makes: mend or remove what lies there"
        ) from unusable
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

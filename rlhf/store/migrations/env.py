"""Run by Alembic inside `rlhf.store.engine`, on the engine that it passes on.

SQLite changes a table by writing it anew under another name, which foreign keys would forbid: they
rest while it does, and are checked before anything is committed.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, Engine

from rlhf.errors import RLHFError
from rlhf.store.schema import metadata

engine: Engine = context.config.attributes["engine"]


def migrate(connection: Connection, *, sqlite: bool) -> None:
    with connection.begin():
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=sqlite,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise RLHFError("the database has rows that point at nothing; nothing was changed")


with engine.execution_options(rlhf_write=True).connect() as connection:
    if connection.dialect.name == "sqlite":
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys=0")
        try:
            migrate(connection, sqlite=True)
        finally:
            cursor.execute("PRAGMA foreign_keys=1")
            cursor.close()
    else:
        migrate(connection, sqlite=False)

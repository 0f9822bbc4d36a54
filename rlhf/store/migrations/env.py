"""Run by Alembic inside `rlhf.store.engine`, on the engine that it passes on."""

from __future__ import annotations

from alembic import context

from rlhf.store.schema import metadata

with context.config.attributes["engine"].execution_options(rlhf_write=True).begin() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()

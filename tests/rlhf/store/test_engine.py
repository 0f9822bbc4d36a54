"""Opening: migrated once whoever comes first, never by an older program, the same on PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, create_mock_engine
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable, ExecutableDDLElement

from rlhf.errors import InputError, RLHFError, UsageError
from rlhf.store import Store, engine, open_store, prompts, queue, ratings, schema, upkeep

POSTGRES: Dialect = registry.load("postgresql.psycopg")()

OPEN = """
import sys
from pathlib import Path
from rlhf.store import open_store
sys.stdin.readline()
store = open_store(Path(sys.argv[1]))
with store.read() as tx:
    print(tx.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar())
"""


@pytest.mark.slow
def test_eight_processes_that_open_a_new_home_at_once_migrate_it_once(home: Path) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    told = [opener.communicate(timeout=120) for opener in openers]
    assert told == [("1\n", "")] * 8


def test_migrations_and_schema_say_the_same(store: Store) -> None:
    with store.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_a_database_of_a_newer_program_is_left_alone(home: Path, store: Store) -> None:
    with store.write() as tx:
        tx.exec_driver_sql("DROP INDEX ix_assignments_next")
        for column in ("kind", "rank"):
            tx.exec_driver_sql(f"ALTER TABLE assignments DROP COLUMN {column}")
        for column in ("purpose", "repeat_of"):
            tx.exec_driver_sql(f"DROP INDEX ix_comparisons_{column}")
        for column in ("tiebreak", "explanation"):
            tx.exec_driver_sql(f"ALTER TABLE comparisons DROP COLUMN {column}")
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    before = (home / "rlhf.db").read_bytes()
    with pytest.raises(UsageError, match=r"newer version .*9999.*not touched"):
        open_store(home)
    assert (home / "rlhf.db").read_bytes() == before


def test_a_file_that_is_no_database_is_said_in_words(home: Path) -> None:
    (home / "rlhf.db").write_text("a shopping list, not a database\n" * 100)
    with pytest.raises(RLHFError, match="not a database"):
        open_store(home)


def test_sqlite_is_set_to_lose_nothing(store: Store) -> None:
    with store.read() as tx:
        said = {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in engine.PRAGMAS}
    assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    new = prompts.NewPrompt([{"role": "user", "content": "Hi?"}], source="test", split="train")
    bad = prompts.NewPrompt([{"role": "user", "content": "\x00"}], source="test", split="train")
    with pytest.raises(InputError), store.write() as tx:
        assert [prompts.add_prompts(tx, [one]) for one in (new, bad)]
    with store.read() as tx:
        assert prompts.count_prompts(tx) == {}


def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    new = prompts.NewPrompt([{"role": "user", "content": "Hi?"}], source="test", split="train")
    with store.read() as reader:
        assert prompts.count_prompts(reader) == {}
        with store.write() as writer:
            prompts.add_prompts(writer, [new])
        assert prompts.count_prompts(reader) == {}
    with store.read() as reader:
        assert prompts.count_prompts(reader) == {"train": 1}


def test_a_backup_is_a_whole_database(home: Path, store: Store, tmp_path: Path) -> None:
    new = prompts.NewPrompt([{"role": "user", "content": "Hi?"}], source="test", split="train")
    with store.write() as tx:
        prompts.add_prompts(tx, [new])
    copy = tmp_path / "copy"
    copy.mkdir()
    upkeep.backup(store, copy / "rlhf.db")
    assert stat.S_IMODE((copy / "rlhf.db").stat().st_mode) == 0o600
    restored = open_store(copy)
    with restored.read() as tx:
        assert prompts.count_prompts(tx) == {"train": 1}
    restored.close()


@pytest.mark.parametrize("table", schema.metadata.sorted_tables, ids=lambda table: table.name)
def test_tables_can_be_made_on_postgresql(table: Table) -> None:
    statement = str(CreateTable(table).compile(dialect=POSTGRES))
    assert "AUTOINCREMENT" not in statement
    assert "SERIAL" in statement or "PRIMARY KEY" in statement


def test_one_current_rating_each_is_a_constraint_on_postgresql_too() -> None:
    written: list[str] = []

    def keep(sql: ExecutableDDLElement, *_: object, **__: object) -> None:
        written.append(str(sql.compile(dialect=POSTGRES)))

    schema.metadata.create_all(create_mock_engine("postgresql+psycopg://", keep), checkfirst=False)
    (unique,) = (sql for sql in written if "uq_ratings_current" in sql)
    assert unique.startswith("CREATE UNIQUE INDEX")
    assert unique.endswith("WHERE current")


def test_the_grant_locks_its_row_on_postgresql() -> None:
    tx = create_autospec(Connection, dialect=POSTGRES)
    tx.execute.return_value.all.return_value = []
    tx.execute.return_value.first.return_value = None
    queue.lease_next(tx, 1, minutes=1)
    asked = [str(call.args[0].compile(dialect=POSTGRES)) for call in tx.execute.call_args_list]
    assert any("FOR UPDATE OF assignments SKIP LOCKED" in statement for statement in asked)


def opened_as_of(revision: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A new database as an older program would have made it."""
    with monkeypatch.context() as older:
        upgrade = command.upgrade
        older.setattr(command, "upgrade", lambda config, _: upgrade(config, revision))
        return open_store(home)


def test_what_an_older_program_wrote_survives_the_newest_migration(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables that others point at are written anew: rows, keys and rules come through."""
    before = opened_as_of("0002", home, monkeypatch)
    with before.write() as tx:
        tx.exec_driver_sql(
            "INSERT INTO prompts (id, digest, messages, source, split, meta, created_at) "
            "VALUES (1, 'abc', '[]', 'test', 'train', '{}', 0)"
        )
        tx.exec_driver_sql(
            "INSERT INTO responses (id, prompt_id, text, sampling, finished, tokens, purpose, "
            "created_at) VALUES (1, 1, 'one', '{}', 1, 1, 'comparison', 0), "
            "(2, 1, 'two', '{}', 1, 1, 'comparison', 0)"
        )
        tx.exec_driver_sql(
            "INSERT INTO comparisons (id, prompt_id, response_lo, response_hi, purpose, priority, "
            "created_at) VALUES (1, 1, 1, 2, 'train', 0, 0)"
        )
    before.close()
    after = open_store(home)
    with after.read() as tx:
        assert tx.exec_driver_sql("SELECT conversation FROM prompts").scalar() == "abc"
        assert tx.exec_driver_sql("SELECT count(*) FROM comparisons").scalar() == 1
        assert tx.exec_driver_sql("PRAGMA foreign_key_check").first() is None
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    for wrong in (
        "INSERT INTO comparisons (prompt_id, response_lo, response_hi, purpose, priority, "
        "created_at) VALUES (1, 2, 1, 'train', 0, 0)",
        "UPDATE prompts SET split = 'mine'",
        "INSERT INTO comparisons (prompt_id, response_lo, response_hi, purpose, priority, "
        "created_at) VALUES (1, 1, 77, 'train', 0, 0)",
    ):
        with pytest.raises(IntegrityError), after.write() as tx:
            tx.exec_driver_sql(wrong)
    after.close()


def test_ratings_of_an_older_version_keep_their_meaning(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database as the version before remarks wrote it, with one rating in it."""
    before = opened_as_of("0003", home, monkeypatch)
    with before.write() as tx:
        for statement in OLD_RATING:
            tx.exec_driver_sql(statement)
    before.close()
    after = open_store(home)
    with after.read() as tx:
        kept = ratings.rating(tx, 1)
        assert (kept.preferred, kept.strength, kept.reason) == (2, 3, "clearer")
        assert (kept.attributes, kept.edited, kept.guidelines) == ({}, None, 1)
        said = json.dumps([1, 1, 1, 2, 3, False, "clearer"])
        assert kept.digest == hashlib.sha256(said.encode()).hexdigest()
        indices = "SELECT sql FROM sqlite_master WHERE name = 'uq_ratings_current'"
        assert "WHERE" in str(tx.exec_driver_sql(indices).scalar())
        assert tx.exec_driver_sql("SELECT rank FROM assignments").scalar() == -0.5
        assert tx.exec_driver_sql("PRAGMA foreign_key_check").first() is None
    after.close()


OLD_RATING = (
    "INSERT INTO people (id, name, role, active, created_at) VALUES (1, 'ann', 'annotator', 1, 0)",
    "INSERT INTO prompts (id, digest, conversation, messages, source, split, meta, created_at) "
    "VALUES (1, 'abc', 'abc', '[]', 'test', 'train', '{}', 0)",
    "INSERT INTO responses (id, prompt_id, text, sampling, finished, tokens, purpose, created_at) "
    "VALUES (1, 1, 'one', '{}', 1, 1, 'comparison', 0), (2, 1, 'two', '{}', 1, 1, 'comparison', 0)",
    "INSERT INTO comparisons (id, prompt_id, response_lo, response_hi, purpose, priority, "
    "created_at) VALUES (1, 1, 1, 2, 'train', 0.5, 0)",
    "INSERT INTO assignments (id, comparison_id, slot, annotator_id, lease_id, done) "
    "VALUES (1, 1, 0, 1, 'lease', 1)",
    "INSERT INTO leases (id, assignment_id, annotator_id, submission_id, left_response, "
    "right_response, granted_at, expires_at, ended_at) "
    "VALUES ('lease', 1, 1, 'sent', 2, 1, 0, 9, 5)",
    "INSERT INTO ratings (id, comparison_id, annotator_id, lease_id, submission_id, body_digest, "
    "revision, current, preferred, strength, both_bad, reason, order_shown, active_ms, shown_at, "
    "submitted_at) VALUES (1, 1, 1, 'lease', 'sent', 'x', 1, 1, 2, 3, 0, 'clearer', '[2, 1]', 7, "
    "0, 5)",
)

"""Arguments that reach the database: what it cannot hold is refused before it is asked."""

from __future__ import annotations

import typer

from rlhf.errors import UsageError

LARGEST_ID = 2**63 - 1
"""Of a row, in SQLite and in PostgreSQL."""


def in_utf8(parameter: typer.CallbackParam, value: str) -> str:
    """An argument's text. Raises UsageError where the shell handed over other bytes."""
    try:
        value.encode()
    except UnicodeEncodeError as foreign:
        raise UsageError(f"{parameter.name}: {value!a} is not UTF-8; type it again") from foreign
    return value

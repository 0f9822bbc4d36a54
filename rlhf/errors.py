"""The few errors a person can meet.

Each message says what was found, where, and what to do. The command line prints the message
alone and exits with `exit_code`; the REST API answers with `status`. Anything else that escapes
is a bug and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class RLHFError(Exception):
    """Something failed that is nobody's typing mistake (exit code 1, HTTP 500)."""

    exit_code = 1
    status = 500


class UsageError(RLHFError):
    """The request cannot be carried out as asked (exit code 2, HTTP 400)."""

    exit_code = 2
    status = 400


class InputError(UsageError):
    """Data from outside is not what it must be; says file, line and field where known."""

    status = 422

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        fix: str | None = None,
    ) -> None:
        where = [str(file)] if file is not None else []
        where += [f"line {line}"] if line is not None else []
        where += [f"field '{field}'"] if field is not None else []
        message = f"{', '.join(where)}: {problem}" if where else problem
        super().__init__(f"{message}. {fix}" if fix else message)
        self.problem, self.file, self.line, self.field, self.fix = problem, file, line, field, fix


class NotFound(UsageError):
    """A name that points at nothing: an alias, a checkpoint, a round, a person."""

    status = 404


class ModelError(UsageError):
    """A folder or hub id that is no usable model, adapter or reward head."""

    status = 422


class Forbidden(UsageError):
    """The person is known but may not do this, or the link was used up."""

    status = 403


class Conflict(UsageError):
    """Somebody else was first, or the same id came with another body."""

    status = 409


class Superseded(RLHFError):
    """A newer controller or runner owns this round; the one that meets this error must stop."""

    status = 409

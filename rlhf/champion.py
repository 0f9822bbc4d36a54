"""Which policy is the champion, and which was before it: the two aliases move together."""

from __future__ import annotations

from rlhf.errors import NotFound
from rlhf.store import Connection, checkpoints


def promote(tx: Connection, digest: str, *, actor: str, why: str) -> None:
    """Make `digest` the champion and the present champion the previous one.

    Raises Conflict when somebody else moved an alias in the meantime.
    """
    champion = checkpoints.alias(tx, "champion")
    if champion == digest:
        return
    if champion is not None:
        before = checkpoints.alias(tx, "previous")
        checkpoints.move_alias(tx, "previous", champion, before, actor, why)
    checkpoints.move_alias(tx, "champion", digest, champion, actor, why)


def roll_back(tx: Connection, *, actor: str, why: str) -> str:
    """Exchange champion and previous; returns the digest of the new champion.

    Doing it twice restores what was. Raises NotFound before the first promotion.
    """
    previous = checkpoints.alias(tx, "previous")
    if previous is None:
        raise NotFound("there is no previous champion to go back to: nothing was promoted yet")
    promote(tx, previous, actor=actor, why=why)
    return previous

"""What an annotator may say about two responses, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import Connection

from rlhf.errors import InputError
from rlhf.store import comparisons, validate

ATTRIBUTE_CHARS = 40


@dataclass(frozen=True, slots=True)
class Verdict:
    """`preferred` (a response id) by `strength` 1 to 3, or None and 0 for a tie.

    Of a single response: it is preferred where it is good, and `both_bad` where it is not.
    """

    preferred: int | None
    strength: int
    both_bad: bool = False
    reason: str | None = None
    attributes: Mapping[str, int | None] = field(default_factory=dict)
    """Attribute -> the response that has more of it; None: they are alike in it."""
    edited: str | None = None
    """The preferred response as the annotator would have written it."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that is said; what is left unsaid does not enter it."""
        said = asdict(self)
        for name in ("attributes", "edited"):
            if not said[name]:
                del said[name]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def check(tx: Connection, verdict: Verdict, shown: Sequence[int]) -> None:
    """Raise InputError, naming the field, for what cannot be said of the responses `shown`."""
    if not 0 <= verdict.strength <= 3:
        raise InputError("must be 0 to 3", field="strength")
    if (verdict.preferred is None) != (verdict.strength == 0):
        raise InputError("a tie has strength 0, a preference 1 to 3", field="strength")
    if verdict.preferred is not None and verdict.preferred not in shown:
        raise InputError("is none of the responses shown", field="preferred")
    if len(set(shown)) == 1 and (verdict.preferred is None) != verdict.both_bad:
        raise InputError("a single response is either good or bad", field="both_bad")
    if verdict.reason is not None:
        validate.text_field(verdict.reason, "reason", longest=validate.REASON_CHARS, empty=True)
    for name, better in verdict.attributes.items():
        validate.text_field(name, "attributes", longest=ATTRIBUTE_CHARS)
        if better is not None and better not in shown:
            raise InputError("is none of the responses shown", field=f"attributes.{name}")
    if verdict.edited is not None:
        _check_edited(tx, verdict)


def _check_edited(tx: Connection, verdict: Verdict) -> None:
    edited = validate.text_field(verdict.edited, "edited", longest=validate.RESPONSE_CHARS)
    if verdict.preferred is None:
        raise InputError("goes with the better response; a tie has none", field="edited")
    if edited == comparisons.response(tx, verdict.preferred).text:
        raise InputError("reads as the response did; leave it out", field="edited")

"""Manifests: frozen, ordered, hashed lists of ratings; what a reward model was trained on."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select

from rlhf.errors import NotFound
from rlhf.rounds import State
from rlhf.store import ratings, schema

SINGLE = "of a single response, which is no preference"
"""Why a thumb up or down is in no manifest."""
CONTEST = "of a contest between checkpoints, which it measures"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`entries` are (rating id, revision, SHA-256 of what it says), in order."""

    digest: str
    round_id: int
    count: int
    entries: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class LabelledComparison:
    """One rating of a manifest with the texts it is about."""

    rating_id: int
    revision: int
    comparison_id: int
    prompt_id: int
    prompt_messages: list[dict[str, str]]
    chosen_text: str | None
    """None for a tie."""
    rejected_text: str | None
    chosen_finished: bool
    rejected_finished: bool
    text_lo: str
    text_hi: str
    lo_preferred: bool | None
    left_preferred: bool | None
    """None for a tie, and where nobody saw the two side by side (a rating from a file)."""
    as_expected: bool | None
    """Whether the expected response was preferred, where one is known beforehand."""
    repeat_of: int | None
    kind: str
    """Why its annotator was given it, see `comparisons.KINDS`."""
    strength: int
    edited: str | None
    """The chosen response as the annotator would have written it."""
    tie: bool
    both_bad: bool
    annotator_id: int
    active_ms: int
    round_id: int | None
    source: str
    purpose: str
    split: str
    conversation: str


def freeze_manifest(tx: Connection, round_id: int, *, now: float | None = None) -> Manifest:
    """Freeze all valid ratings of two responses for a round; asked again, it returns the same.

    Ratings of contests measure the models that they would teach, and stay out.
    """
    table = schema.manifests
    frozen = tx.execute(select(table.c.digest).where(table.c.round_id == round_id)).first()
    if frozen is not None:
        return manifest(tx, frozen.digest)
    entries = [(one.id, one.revision, one.digest) for one in ratings.comparing(tx)]
    digest = hashlib.sha256(json.dumps([round_id, entries]).encode()).hexdigest()
    row = tx.execute(
        table.insert()
        .values(
            digest=digest,
            round_id=round_id,
            count=len(entries),
            created_at=time.time() if now is None else now,
        )
        .returning(table.c.id)
    )
    manifest_id = row.scalar_one()
    rows = [
        {
            "manifest_id": manifest_id,
            "position": place,
            "rating_id": rating_id,
            "revision": revision,
            "digest": said,
        }
        for place, (rating_id, revision, said) in enumerate(entries)
    ]
    if rows:
        tx.execute(schema.manifest_ratings.insert(), rows)
    return Manifest(digest, round_id, len(entries), tuple(entries))


def manifest(tx: Connection, digest: str) -> Manifest:
    """A frozen manifest. Raises NotFound."""
    table, entry = schema.manifests, schema.manifest_ratings
    head = tx.execute(select(table).where(table.c.digest == digest)).first()
    if head is None:
        raise NotFound(f"no manifest {digest}")
    rows = tx.execute(
        select(entry.c.rating_id, entry.c.revision, entry.c.digest)
        .where(entry.c.manifest_id == head.id)
        .order_by(entry.c.position)
    )
    return Manifest(
        digest, head.round_id, head._mapping["count"], tuple((a, b, c) for a, b, c in rows)
    )


def latest(tx: Connection) -> str | None:
    """Digest of the newest manifest; a failed round's ratings still wait for a round."""
    table, used = schema.manifests, schema.rounds
    return tx.execute(
        select(table.c.digest)
        .join(used, used.c.id == table.c.round_id)
        .where(used.c.state != State.FAILED)
        .order_by(table.c.id.desc())
        .limit(1)
    ).scalar()


def new_ratings_since(tx: Connection, digest: str | None) -> int:
    """Valid ratings whose comparison no rating of that manifest is about."""
    table = schema.ratings
    valid = (table.c.current, ~table.c.withdrawn, ratings.of_two(), ~ratings.of_contest())
    mine = select(func.count()).where(*valid)
    if digest is not None:
        used = schema.ratings.alias("used")
        entry, head = schema.manifest_ratings, schema.manifests
        mine = mine.where(
            ~exists().where(
                used.c.comparison_id == table.c.comparison_id,
                used.c.annotator_id == table.c.annotator_id,
                entry.c.rating_id == used.c.id,
                entry.c.manifest_id == head.c.id,
                head.c.digest == digest,
            )
        )
    return int(tx.execute(mine).scalar_one())


def left_out(tx: Connection) -> dict[str, int]:
    """What people said or did that no manifest takes in, by reason."""
    table, skip = schema.ratings, schema.skips
    counted = {
        "superseded by a later revision": select(func.count()).where(~table.c.current),
        "withdrawn by the annotator": select(func.count()).where(
            table.c.current, table.c.withdrawn
        ),
        SINGLE: select(func.count()).where(table.c.current, ~table.c.withdrawn, ~ratings.of_two()),
        CONTEST: select(func.count()).where(
            table.c.current, ~table.c.withdrawn, ratings.of_contest()
        ),
        "skipped": select(func.count()).select_from(skip),
    }
    return {reason: int(tx.execute(query).scalar_one()) for reason, query in counted.items()}


def labelled(tx: Connection, digest: str) -> list[LabelledComparison]:
    """A manifest's ratings with their texts, in its order. Raises NotFound."""
    manifest(tx, digest)
    entry, head = schema.manifest_ratings, schema.manifests
    listed = (
        _with_texts()
        .join(entry, entry.c.rating_id == schema.ratings.c.id)
        .join(head, head.c.id == entry.c.manifest_id)
        .where(head.c.digest == digest)
        .order_by(entry.c.position)
    )
    return [_labelled(row) for row in tx.execute(listed)]


def labelled_now(tx: Connection) -> list[LabelledComparison]:
    """Every valid rating with its texts, without those of contests, in the order of their ids."""
    rating = schema.ratings
    valid = _with_texts().where(rating.c.current, ~rating.c.withdrawn, ~ratings.of_contest())
    return [_labelled(row) for row in tx.execute(valid.order_by(rating.c.id))]


@dataclass(frozen=True, slots=True)
class LabelledResponse:
    """One valid rating of a single response: it is good, or it is bad."""

    rating_id: int
    revision: int
    prompt_messages: list[dict[str, str]]
    text: str
    good: bool
    edited: str | None
    annotator_id: int
    source: str
    split: str
    conversation: str


def singles_now(tx: Connection) -> list[LabelledResponse]:
    """Every valid rating of a single response, in the order of their ids."""
    rating, comparison, prompt = schema.ratings, schema.comparisons, schema.prompts
    rows = tx.execute(
        select(
            rating.c.id,
            rating.c.revision,
            prompt.c.messages,
            schema.responses.c.text,
            rating.c.preferred,
            rating.c.edited,
            rating.c.annotator_id,
            prompt.c.source,
            prompt.c.split,
            prompt.c.conversation,
        )
        .join(comparison, comparison.c.id == rating.c.comparison_id)
        .join(prompt, prompt.c.id == comparison.c.prompt_id)
        .join(schema.responses, schema.responses.c.id == comparison.c.response_lo)
        .where(rating.c.current, ~rating.c.withdrawn, comparison.c.response_hi.is_(None))
        .order_by(rating.c.id)
    )
    return [
        LabelledResponse(
            rating_id=row.id,
            revision=row.revision,
            prompt_messages=row.messages,
            text=row.text,
            good=row.preferred is not None,
            edited=row.edited,
            annotator_id=row.annotator_id,
            source=row.source,
            split=row.split,
            conversation=row.conversation,
        )
        for row in rows
    ]


def _with_texts() -> Select[Any]:
    lo, hi = schema.responses.alias("lo"), schema.responses.alias("hi")
    rating, comparison, prompt = schema.ratings, schema.comparisons, schema.prompts
    lease, slot = schema.leases, schema.assignments
    return (
        select(
            rating.c.id,
            rating.c.revision,
            rating.c.preferred,
            rating.c.strength,
            rating.c.both_bad,
            rating.c.edited,
            rating.c.annotator_id,
            rating.c.active_ms,
            rating.c.order_shown,
            comparison.c.id.label("comparison_id"),
            comparison.c.round_id,
            comparison.c.response_lo,
            comparison.c.purpose,
            comparison.c.expected,
            comparison.c.repeat_of,
            prompt.c.id.label("prompt_id"),
            prompt.c.messages,
            prompt.c.source,
            prompt.c.split,
            prompt.c.conversation,
            lo.c.text.label("text_lo"),
            hi.c.text.label("text_hi"),
            lo.c.finished.label("finished_lo"),
            hi.c.finished.label("finished_hi"),
            func.coalesce(slot.c.kind, "asked").label("kind"),
        )
        .select_from(rating)
        .join(comparison, comparison.c.id == rating.c.comparison_id)
        .join(prompt, prompt.c.id == comparison.c.prompt_id)
        .join(lo, lo.c.id == comparison.c.response_lo)
        .join(hi, hi.c.id == comparison.c.response_hi)
        .outerjoin(lease, lease.c.id == rating.c.lease_id)
        .outerjoin(slot, slot.c.id == lease.c.assignment_id)
    )


def _labelled(row: Any) -> LabelledComparison:
    sides = [(row.text_lo, row.finished_lo), (row.text_hi, row.finished_hi)]
    if row.preferred != row.response_lo:
        sides.reverse()
    tie = row.preferred is None
    return LabelledComparison(
        rating_id=row.id,
        revision=row.revision,
        comparison_id=row.comparison_id,
        prompt_id=row.prompt_id,
        prompt_messages=row.messages,
        chosen_text=None if tie else sides[0][0],
        rejected_text=None if tie else sides[1][0],
        chosen_finished=sides[0][1],
        rejected_finished=sides[1][1],
        text_lo=row.text_lo,
        text_hi=row.text_hi,
        lo_preferred=None if tie else row.preferred == row.response_lo,
        left_preferred=None if tie or not row.order_shown else row.preferred == row.order_shown[0],
        as_expected=None if row.expected is None else row.preferred == row.expected,
        repeat_of=row.repeat_of,
        kind=row.kind,
        strength=row.strength,
        edited=row.edited,
        tie=tie,
        both_bad=row.both_bad,
        annotator_id=row.annotator_id,
        active_ms=row.active_ms,
        round_id=row.round_id,
        source=row.source,
        purpose=row.purpose,
        split=row.split,
        conversation=row.conversation,
    )

"""REST for annotators: the next comparison, verdicts, skips, and what they rated before.

Nothing that could tell which model wrote an answer leaves here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from feedback_app.ids import Id
from feedback_app.sessions import caller_of
from rlhf.errors import Forbidden, InputError
from rlhf.settings import Feedback
from rlhf.store import (
    Connection,
    Store,
    comparisons,
    flags,
    guidelines,
    known,
    prompts,
    queue,
    rankings,
    ratings,
    validate,
)
from rlhf.store.checking import Checks

TIE = 4
STRENGTH = {1: 3, 2: 2, 3: 1, TIE: 0, 5: 1, 6: 2, 7: 3}
"""Place on the scale (1 = left much better) -> strength of the verdict."""
GOOD, BAD = 1, 2
"""Places on the scale of a single answer."""


Side = Literal["a", "same", "b"]


class Said(BaseModel):
    """A verdict as it was given on the page."""

    model_config = ConfigDict(extra="forbid")

    submission_id: str = Field(max_length=36)
    choice: int = Field(ge=1, le=7)
    both_bad: bool = False
    reason: str | None = Field(None, max_length=10_000)
    attributes: dict[str, Side] = Field(default_factory=dict)
    """Attribute -> the answer that has more of it."""
    edited: str | None = Field(None, max_length=validate.RESPONSE_CHARS)
    """The better answer as the annotator would have written it."""
    active_ms: int = Field(0, ge=0, le=86_400_000)


class FirstSaid(Said):
    """A verdict on a leased comparison."""

    lease_id: str = Field(max_length=36)


class Flagged(BaseModel):
    """What an operator should look at: a comparison in hand, or one that was rated."""

    model_config = ConfigDict(extra="forbid")

    lease_id: str | None = Field(None, max_length=36)
    rating_id: Id | None = None
    note: str = Field(min_length=1, max_length=10_000)


class Skipped(BaseModel):
    """A comparison handed back."""

    model_config = ConfigDict(extra="forbid")

    lease_id: str = Field(max_length=36)
    reason: str = Field(min_length=1, max_length=1000)


def rating_routes(store: Store, asking: Feedback) -> APIRouter:
    """The routes of this module, closed over the store."""
    routes = APIRouter(prefix="/api/v1")
    checks = Checks(asking.practice, asking.known_share, asking.repeat_share)

    @routes.get("/me")
    def me(request: Request) -> dict[str, Any]:
        """Who is signed in, and how much they have rated."""
        caller = caller_of(request)
        with store.read() as tx:
            progress = _progress(tx, caller.id)
            mine = known.own_outcomes(tx, caller.id)
            read = guidelines.confirmed(tx, caller.id)
        return {
            "id": caller.id,
            "name": caller.name,
            "role": caller.role,
            "progress": progress,
            "checks": {"ok": mine.ok, "of": mine.ok + mine.wrong},
            "guidelines": read,
        }

    @routes.get("/next")
    def next_comparison(
        request: Request, after: Annotated[str | None, Query(max_length=36)] = None
    ) -> dict[str, Any]:
        """A leased comparison, or why there is none; `after` a lease, the one that comes then."""
        caller, now = caller_of(request), time.time()
        with store.write() as tx:
            lease = queue.lease_next(
                tx,
                caller.id,
                now,
                minutes=asking.lease_minutes,
                after=after,
                checks=checks,
            )
            progress = _progress(tx, caller.id)
            stand = guidelines.in_force(tx)
            practising = isinstance(lease, queue.Lease) and lease.kind == "practice"
            number = known.practised(tx, caller.id) + 1 if practising else None
            ranking = isinstance(lease, queue.Lease) and lease.kind == "ranking"
            far = rankings.progress(tx, caller.id) if ranking else None
        if isinstance(lease, queue.Empty):
            told = {"progress": progress, "guidelines": stand}
            return {"empty": lease.reason, "until": lease.until, **told}
        return {
            "lease_id": lease.lease_id,
            "submission_id": lease.submission_id,
            "messages": lease.prompt,
            "left": {"text": lease.left.text},
            "right": None if lease.single else {"text": lease.right.text},
            "seconds_left": lease.expires_at - now,
            "practice": None if number is None else {"number": number, "of": asking.practice},
            "ranking": None if far is None else {"answers": far.responses, "left": far.left},
            "progress": progress,
            "guidelines": stand,
        }

    @routes.post("/leases/{lease_id}/renew")
    def renew(lease_id: str, request: Request) -> dict[str, float]:
        """Hold a comparison longer."""
        now = time.time()
        with store.write() as tx:
            caller = caller_of(request)
            until = queue.renew(tx, lease_id, caller.id, now, minutes=asking.lease_minutes)
        return {"seconds_left": until - now}

    @routes.post("/ratings")
    def rate(said: FirstSaid, request: Request) -> dict[str, Any]:
        """Save a verdict; the same submission again returns what was saved."""
        caller = caller_of(request)
        try:
            with store.write() as tx:
                lease = queue.own_lease(tx, said.lease_id, caller.id)
                saved = ratings.record_rating(
                    tx,
                    lease_id=said.lease_id,
                    submission_id=said.submission_id,
                    annotator_id=caller.id,
                    verdict=_verdict(said, queue.shown_in(lease), asking.attributes),
                    active_ms=said.active_ms,
                )
                lesson = known.lesson(tx, said.lease_id)
        except ratings.TooLate as late:
            with store.write() as tx:
                ratings.keep_late(tx, late)
            raise
        return {**_saved(saved), "lesson": _lesson(lesson, said, queue.shown_in(lease))}

    @routes.post("/skips")
    def skip(said: Skipped, request: Request) -> dict[str, bool]:
        """Hand a comparison back for good."""
        with store.write() as tx:
            queue.skip(tx, said.lease_id, caller_of(request).id, said.reason)
        return {"skipped": True}

    @routes.post("/flags")
    def flag(said: Flagged, request: Request) -> dict[str, bool]:
        """Ask an operator to look at a comparison; a verdict on it can still be given."""
        caller = caller_of(request)
        with store.write() as tx:
            flags.flag(tx, _meant(tx, said, caller.id), caller.id, said.note)
        return {"flagged": True}

    @routes.get("/ratings/mine")
    def mine(
        request: Request, count: Annotated[int, Query(ge=1, le=100)] = 10
    ) -> dict[str, list[dict[str, Any]]]:
        """The caller's newest ratings, newest first."""
        with store.read() as tx:
            found = ratings.my_last(tx, caller_of(request).id, count)
        return {"ratings": [_told(one) for one in found]}

    @routes.get("/ratings/{rating_id}")
    def reopen(rating_id: Id, request: Request) -> dict[str, Any]:
        """A rating of the caller's with its texts, the sides as they stood."""
        with store.read() as tx:
            found = _own(tx, rating_id, caller_of(request).id)
            prompt_id = comparisons.comparison(tx, found.comparison_id).prompt_id
            left, *others = [comparisons.response(tx, side) for side in found.order_shown]
            messages = prompts.prompt(tx, prompt_id).messages
        return {
            **_told(found),
            "reason": found.reason,
            "attributes": _sides(found),
            "edited": found.edited,
            "submission_id": str(uuid.uuid4()),
            "messages": messages,
            "left": {"text": left.text},
            "right": {"text": others[0].text} if others else None,
        }

    @routes.post("/ratings/{rating_id}/revise")
    def revise(rating_id: Id, said: Said, request: Request) -> dict[str, Any]:
        """Save another verdict on the same comparison as a new revision."""
        caller = caller_of(request)
        with store.write() as tx:
            before = _own(tx, rating_id, caller.id)
            saved = ratings.revise_rating(
                tx,
                rating_id=rating_id,
                annotator_id=caller.id,
                verdict=_verdict(said, before.order_shown, asking.attributes),
                submission_id=said.submission_id,
            )
        return _saved(saved)

    return routes


def _verdict(said: Said, shown: Sequence[int], asked_for: Sequence[str]) -> ratings.Verdict:
    """From places on the page to the responses that stood there."""
    if len(shown) == 1:
        return _thumb(said, shown[0])
    for name in said.attributes:
        if name not in asked_for:
            asked = ", ".join(asked_for) or "none"
            raise InputError(f"is not asked for here; asked for are: {asked}", field=name)
    return ratings.Verdict(
        preferred=None if said.choice == TIE else shown[0] if said.choice < TIE else shown[1],
        strength=STRENGTH[said.choice],
        both_bad=said.both_bad,
        reason=said.reason,
        attributes={name: _at(side, shown) for name, side in said.attributes.items()},
        edited=said.edited,
    )


def _thumb(said: Said, shown: int) -> ratings.Verdict:
    """What was said of a single answer."""
    if said.choice not in (GOOD, BAD) or said.both_bad:
        raise InputError(f"must be {GOOD} (good) or {BAD} (bad)", field="choice")
    if said.attributes:
        raise InputError("compare two answers, and here is one", field="attributes")
    good = said.choice == GOOD
    return ratings.Verdict(
        preferred=shown if good else None,
        strength=STRENGTH[1] if good else 0,
        both_bad=not good,
        reason=said.reason,
        edited=said.edited,
    )


def _lesson(lesson: known.Lesson | None, said: Said, shown: Sequence[int]) -> dict[str, Any] | None:
    """What a practice item teaches, as the sides stood; None for all other comparisons."""
    if lesson is None:
        return None
    better = "a" if lesson.better == shown[0] else "b"
    agreed = said.choice != TIE and (said.choice < TIE) == (better == "a")
    return {"better": better, "agreed": agreed, "explanation": lesson.explanation}


def _at(side: Side, shown: Sequence[int]) -> int | None:
    return {"a": shown[0], "b": shown[1], "same": None}[side]


def _sides(one: ratings.Rating) -> dict[str, Side]:
    """The inverse of `_at`, for every attribute."""
    places: tuple[Side, Side] = ("a", "b")
    sides: dict[int | None, Side] = {
        None: "same",
        **dict(zip(one.order_shown, places, strict=False)),
    }
    return {name: sides[better] for name, better in one.attributes.items()}


def _meant(tx: Connection, said: Flagged, annotator_id: int) -> int:
    """The comparison that a flag is about, which must be the caller's own."""
    if said.rating_id is not None:
        return _own(tx, said.rating_id, annotator_id).comparison_id
    if said.lease_id is None:
        raise InputError("name the lease or the rating that it is about", field="lease_id")
    return queue.leased_comparison(tx, said.lease_id, annotator_id)


def _choice(one: ratings.Rating) -> int:
    """The inverse of `_verdict`."""
    if len(one.order_shown) == 1:
        return GOOD if one.preferred is not None else BAD
    if one.preferred is None:
        return TIE
    return TIE - one.strength if one.preferred == one.order_shown[0] else TIE + one.strength


def _own(tx: Connection, rating_id: int, annotator_id: int) -> ratings.Rating:
    found = ratings.rating(tx, rating_id)
    if found.annotator_id != annotator_id:
        raise Forbidden("this rating belongs to somebody else")
    return found


def _told(one: ratings.Rating) -> dict[str, Any]:
    return {
        "rating_id": one.id,
        "revision": one.revision,
        "choice": _choice(one),
        "both_bad": one.both_bad,
        "single": len(one.order_shown) == 1,
        "submitted_at": one.submitted_at,
    }


def _saved(saved: ratings.Saved) -> dict[str, Any]:
    return {
        "rating_id": saved.rating_id,
        "revision": saved.revision,
        "repeated": saved.repeated,
    }


def _progress(tx: Connection, annotator_id: int) -> dict[str, int]:
    progress = ratings.my_progress(tx, annotator_id)
    return {"today": progress.today, "total": progress.total}

"""Ratings out, as rows that others train on: preferences, KTO or SFT, with a manifest beside them.

Every rating is a row or counted with its reason. Annotators are numbers; nothing else of them
leaves. Conversations are message lists, in CSV as JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from rlhf.data.verdicts import (
    BOTH_BAD,
    EDITED_STRENGTH,
    KNOWN,
    MARGINS,
    REPEAT,
    SAME_TEXT,
    TIE,
    no_order,
)
from rlhf.durable import file_digest, write_whole
from rlhf.errors import InputError, UsageError
from rlhf.store import Store, manifests
from rlhf.store.manifests import LabelledComparison, LabelledResponse

Kind = Literal["preferences", "kto", "sft"]
Row = dict[str, Any]
NESTED = ("prompt", "chosen", "rejected", "completion", "messages")
"""Columns that hold message lists."""
AGAIN = "the same answer to the same prompt is there already"
NO_MAJORITY = "rejected as often as chosen"
WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".jsonl": lambda frame, file: frame.to_json(
        file, orient="records", lines=True, force_ascii=False
    ),
    ".parquet": lambda frame, file: frame.to_parquet(file, index=False),
    ".csv": lambda frame, file: _flat(frame).to_csv(file, index=False),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export's manifest says."""

    file: str
    kind: str
    sha256: str
    """Of the file's bytes."""
    rows: int
    edited: int
    """Rows with an answer that an annotator wrote."""
    ratings: int
    """Current ratings that were read."""
    ratings_sha256: str
    """Of their ids and revisions: the same ratings give the same."""
    excluded: dict[str, int]
    """Ratings that gave no row, by reason."""
    left_out: dict[str, int]
    """What is no current rating, by reason."""


def export(store: Store, file: Path, kind: Kind) -> Exported:
    """Write `file` (JSONL, CSV or Parquet by its extension) and FILE.manifest.json beside it.

    Raises InputError for another extension, UsageError where the file exists or nothing would be
    in it; nothing is written then.
    """
    writer = WRITERS.get(file.suffix.lower())
    if writer is None:
        known = ", ".join(WRITERS)
        raise InputError(f"cannot be written by its extension; known are {known}", file=file)
    manifest = file.with_name(f"{file.name}.manifest.json")
    for taken in (file, manifest):
        if taken.exists():
            raise UsageError(f"{taken} exists: move it away, or name another file")
    with store.read() as tx:
        rated, left_out = manifests.labelled_now(tx), manifests.left_out(tx)
        singles = manifests.singles_now(tx)
    rows, excluded = ROWS[kind](rated)
    if kind == "kto":
        rows += thumbs(singles)
        left_out.pop(manifests.SINGLE)
    read = [(one.rating_id, one.revision) for one in rated]
    if kind == "kto":
        read += [(one.rating_id, one.revision) for one in singles]
    if not rows:
        raise UsageError(f"none of {len(read)} ratings gives a row for {kind}: rate some first")
    write_whole(file, lambda fresh: writer(pd.DataFrame(rows), fresh))
    told = Exported(
        file=file.name,
        kind=kind,
        sha256=file_digest(file),
        rows=len(rows),
        edited=sum(row["edited"] for row in rows),
        ratings=len(read),
        ratings_sha256=_digest(read),
        excluded=dict(excluded),
        left_out=left_out,
    )
    text = json.dumps(asdict(told), indent=2) + "\n"
    write_whole(manifest, lambda fresh: fresh.write_text(text, encoding="utf-8"))
    return told


def preferences(rated: Sequence[LabelledComparison]) -> tuple[list[Row], Counter[str]]:
    """TRL's preference format with an explicit prompt; the margin is 1/3, 2/3 or 1.

    A response that was edited gives one row more: the edited text over the original.
    """
    rows, excluded = [], Counter[str]()
    for one in rated:
        reason = no_order(one)
        if reason is not None:
            excluded[reason] += 1
            continue
        rows.append(_pair(one, one.chosen_text, one.rejected_text, one.strength))
        if one.edited is not None:
            pair = _pair(one, one.edited, one.chosen_text, EDITED_STRENGTH)
            rows.append({**pair, "edited": True})
    return rows, excluded


def kto(rated: Sequence[LabelledComparison]) -> tuple[list[Row], Counter[str]]:
    """Two rows per rating: what was preferred is desirable unless both are bad.

    A third one where it was edited, for the edited text.
    """
    rows, excluded = [], Counter[str]()
    for one in rated:
        reason = no_order(one)
        if reason in {TIE, SAME_TEXT, KNOWN, REPEAT}:
            excluded[str(reason)] += 1
            continue
        liked = None if one.both_bad else one.chosen_text
        rows += [_labelled(one, text, text == liked) for text in (one.text_lo, one.text_hi)]
        if one.edited is not None:
            rows.append({**_labelled(one, one.edited, True), "edited": True})
    return rows, excluded


def thumbs(singles: Sequence[LabelledResponse]) -> list[Row]:
    """KTO rows of single responses, and of what annotators would have written in their place."""
    rows = []
    for one in singles:
        rows.append(_labelled(one, one.text, one.good))
        if one.edited is not None:
            rows.append({**_labelled(one, one.edited, True), "edited": True})
    return rows


def sft(rated: Sequence[LabelledComparison]) -> tuple[list[Row], Counter[str]]:
    """Conversations that end with an edited answer, or one chosen more often than rejected."""
    wins = Counter[tuple[int, str | None]]()
    for one in rated:
        if no_order(one) is None:
            wins[one.prompt_id, one.chosen_text] += 1
            wins[one.prompt_id, one.rejected_text] -= 1
    rows, excluded, known = [], Counter[str](), set()
    for one in rated:
        answer = (one.prompt_id, one.edited or one.chosen_text)
        reason = no_order(one)
        if one.edited is None:
            reason = reason or (BOTH_BAD if one.both_bad else None)
            reason = reason or (NO_MAJORITY if wins[answer] <= 0 else None)
        reason = reason or (AGAIN if answer in known else None)
        if reason is not None:
            excluded[reason] += 1
            continue
        known.add(answer)
        messages = [*one.prompt_messages, *_said(answer[1])]
        rows.append({"messages": messages, **_origin(one), "edited": one.edited is not None})
    return rows, excluded


ROWS: dict[Kind, Callable[[Sequence[LabelledComparison]], tuple[list[Row], Counter[str]]]] = {
    "preferences": preferences,
    "kto": kto,
    "sft": sft,
}


def _pair(one: LabelledComparison, chosen: str | None, rejected: str | None, by: int) -> Row:
    return {
        "prompt": one.prompt_messages,
        "chosen": _said(chosen),
        "rejected": _said(rejected),
        "margin": MARGINS[by],
        "strength": by,
        **_origin(one),
    }


def _labelled(one: LabelledComparison | LabelledResponse, text: str, label: bool) -> Row:
    return {
        "prompt": one.prompt_messages,
        "completion": _said(text),
        "label": label,
        **_origin(one),
    }


def _said(text: str | None) -> list[dict[str, str]]:
    assert text is not None
    return [{"role": "assistant", "content": text}]


def _origin(one: LabelledComparison | LabelledResponse) -> Row:
    """Where a row comes from; the split keeps what measures apart from what trains."""
    return {
        "edited": False,
        "rating": one.rating_id,
        "annotator": f"annotator {one.annotator_id}",
        "split": one.split,
        "conversation": one.conversation,
        "source": one.source,
    }


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    nested = {
        name: [json.dumps(cell, ensure_ascii=False) for cell in frame[name]]
        for name in NESTED
        if name in frame
    }
    return frame.assign(**nested)


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()

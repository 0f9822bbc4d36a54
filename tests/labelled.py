"""Ratings as a manifest hands them out, made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlhf.store.manifests import LabelledComparison

PROMPT = [{"role": "user", "content": "Where is my parcel?"}]


def labelled(
    preferred: str | None = "lo",
    *,
    lo: str = "Certainly.",
    hi: str = "No.",
    number: int = 1,
    **more: Any,
) -> LabelledComparison:
    """A rating of comparison `number` that prefers "lo", "hi" or neither; the left one is "lo"."""
    sides = {"lo": (lo, hi), "hi": (hi, lo), None: (None, None)}
    chosen, rejected = sides[preferred]
    one = LabelledComparison(
        rating_id=number,
        revision=1,
        comparison_id=number,
        prompt_id=7,
        prompt_messages=PROMPT,
        text_lo=lo,
        text_hi=hi,
        chosen_text=chosen,
        rejected_text=rejected,
        chosen_finished=True,
        rejected_finished=True,
        lo_preferred=None if preferred is None else preferred == "lo",
        left_preferred=None if preferred is None else preferred == "lo",
        as_expected=None,
        repeat_of=None,
        kind="asked",
        strength=2 if preferred else 0,
        edited=None,
        tie=preferred is None,
        both_bad=False,
        annotator_id=3,
        active_ms=20_000,
        round_id=1,
        source="people",
        purpose="train",
        split="train",
        conversation=f"conversation {number}",
    )
    return replace(one, **more)

"""From ratings to preferences: which rating teaches an order, and what it asks for.

A manifest's labelled comparisons come in; rows in TRL's format (`prompt, chosen, rejected,
margin`) come out, with a count of everything that was left out and why.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from rlhf.store.manifests import LabelledComparison

Messages = list[dict[str, str]]

MARGINS = {1: 1 / 3, 2: 2 / 3, 3: 1.0}
"""Margin per strength before `margin_scale` (Touvron et al., 2023, section 3.2.2)."""

TIE = "tie"
BOTH_BAD = "both bad, neither preferred"
SAME_TEXT = "the two responses are the same"
REASONS = (TIE, BOTH_BAD, SAME_TEXT)


@dataclass(frozen=True, slots=True)
class Preference:
    """One rating that says which of two responses to one prompt is better."""

    prompt: Messages
    chosen: str
    rejected: str
    margin: float
    """By how much the score of the chosen response should be higher, at least."""
    prompt_id: int
    rating_id: int
    annotator_id: int
    chosen_finished: bool = True
    """False for a response that was cut: it has no end token where it is scored."""
    rejected_finished: bool = True

    @property
    def prompt_key(self) -> str:
        """SHA-256 of the conversation; equal prompts share it whatever their ids."""
        return prompt_key(self.prompt)


@dataclass(frozen=True, slots=True)
class PreferenceSet:
    """All preferences of a manifest, and how many ratings became none, by reason."""

    rows: tuple[Preference, ...]
    excluded: dict[str, int]

    @property
    def ratings(self) -> int:
        """Every rating that came in."""
        return len(self.rows) + sum(self.excluded.values())


def build(labelled: Iterable[LabelledComparison], *, margin_scale: float) -> PreferenceSet:
    """Turn the ratings of a manifest into preferences, in the manifest's order.

    The rule: a rating that prefers one response is a preference, also when both were marked bad
    (the better of two bad responses is still the better one). A tie orders nothing, so it trains
    nothing: it is counted as `TIE`, or as `BOTH_BAD` when it carries that mark. Responses with
    the same text cannot be ordered (`SAME_TEXT`). Contradictory ratings of one comparison are
    all kept: their share is what people know.

    Strength 1, 2, 3 asks for a margin of 1/3, 2/3, 1 times `margin_scale`.
    """
    rows: list[Preference] = []
    excluded: Counter[str] = Counter()
    for rating in labelled:
        if rating.chosen_text is None or rating.rejected_text is None:
            excluded[BOTH_BAD if rating.both_bad else TIE] += 1
        elif rating.chosen_text == rating.rejected_text:
            excluded[SAME_TEXT] += 1
        else:
            rows.append(
                Preference(
                    prompt=list(rating.prompt_messages),
                    chosen=rating.chosen_text,
                    rejected=rating.rejected_text,
                    margin=MARGINS[rating.strength] * margin_scale,
                    prompt_id=rating.prompt_id,
                    rating_id=rating.rating_id,
                    annotator_id=rating.annotator_id,
                    chosen_finished=rating.chosen_finished,
                    rejected_finished=rating.rejected_finished,
                )
            )
    return PreferenceSet(tuple(rows), dict(excluded))


def prompt_key(messages: Sequence[dict[str, str]]) -> str:
    """SHA-256 (hex) of a conversation's roles and contents."""
    turns = [[message["role"], message["content"]] for message in messages]
    return hashlib.sha256(json.dumps(turns, ensure_ascii=True).encode()).hexdigest()


def table(rows: Sequence[Preference]) -> pd.DataFrame:
    """One line per preference, in TRL's conversational format with an explicit prompt.

    Columns: prompt, chosen, rejected (lists of messages), margin, prompt_id, rating_id,
    annotator_id.
    """
    return pd.DataFrame(
        {
            "prompt": [row.prompt for row in rows],
            "chosen": [[{"role": "assistant", "content": row.chosen}] for row in rows],
            "rejected": [[{"role": "assistant", "content": row.rejected}] for row in rows],
            "margin": [row.margin for row in rows],
            "prompt_id": [row.prompt_id for row in rows],
            "rating_id": [row.rating_id for row in rows],
            "annotator_id": [row.annotator_id for row in rows],
        }
    )

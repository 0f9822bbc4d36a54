"""From ratings to preferences: which rating teaches an order, and what it asks for.

A manifest's labelled comparisons come in; rows in TRL's format (`prompt, chosen, rejected,
margin`) come out, with a count of everything that was left out and why.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from rlhf.data.verdicts import EDITED_STRENGTH, MARGINS, no_order

if TYPE_CHECKING:
    from rlhf.store.manifests import LabelledComparison

Messages = list[dict[str, str]]
EDITED = "edited"
"""Purpose of a preference that nobody asked for: an annotator's own text over a response."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to a conversation, as text."""

    prompt: Messages
    text: str
    finished: bool = True


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
    weight: float = 1.0
    """How many independent, reliable ratings it is worth, at most one."""
    strength: int = 1
    conversation: str = ""
    """What may not be divided between training and measuring; empty: the prompt itself."""
    purpose: str = "train"
    """Why it was asked, as in the store, where "evaluation" never teaches; or EDITED."""
    split: str = "train"
    """The prompt's: "heldout" never teaches."""
    source: str = ""
    round_id: int | None = None

    @property
    def prompt_key(self) -> str:
        """SHA-256 of the conversation; equal prompts share it whatever their ids."""
        return prompt_key(self.prompt)

    @property
    def group(self) -> str:
        """What is drawn, split and folded as one."""
        return self.conversation or self.prompt_key


@dataclass(frozen=True, slots=True)
class PreferenceSet:
    """All preferences of a manifest, and how many ratings became none, by reason."""

    rows: tuple[Preference, ...]
    excluded: dict[str, int]
    contradicted: int = 0
    """Comparisons whose ratings prefer either side; all of them are among the rows."""
    edited: int = 0
    """Rows beyond one a rating: an edited response over the one that it mends."""

    @property
    def ratings(self) -> int:
        """Every rating that came in."""
        return len(self.rows) - self.edited + sum(self.excluded.values())

    @property
    def effective(self) -> float:
        """The rows in terms of independent, fully reliable ones."""
        return sum(row.weight for row in self.rows)


def build(
    labelled: Iterable[LabelledComparison],
    *,
    margin_scale: float,
    weights: Mapping[int, float] | None = None,
) -> PreferenceSet:
    """Turn the ratings of a manifest into preferences, in the manifest's order.

    The rule: a rating that prefers one response is a preference, also when both were marked bad
    (the better of two bad responses is still the better one). A tie orders nothing, so it trains
    nothing and is counted, apart where it says that both are bad. Responses with the same text
    cannot be ordered; known answers and repeats are about the annotator (`rlhf.data.verdicts` has
    the reasons). Contradictory ratings of one comparison are all kept: their share is what people
    know. A response that its annotator edited gives one preference more: the edited text over it.

    Strength 1, 2, 3 asks for a margin of 1/3, 2/3, 1 times `margin_scale`. weights: annotator ->
    what one rating counts (none given: 1); a ranking of K responses counts as K - 1 ratings,
    however many pairs it gives, because the others follow from those.
    """
    rows: list[Preference] = []
    excluded: Counter[str] = Counter()
    ways: dict[int, set[bool | None]] = defaultdict(set)
    edited = 0
    for rating in labelled:
        reason = no_order(rating)
        if reason is not None:
            excluded[reason] += 1
            continue
        ways[rating.comparison_id].add(rating.lo_preferred)
        weight = (weights or {}).get(rating.annotator_id, 1)
        rows.append(_preference(rating, margin_scale, weight))
        if rating.edited is not None:
            rows.append(_mended(rows[-1], rating.edited, margin_scale))
            edited += 1
    shares = _shares(rows)
    return PreferenceSet(
        tuple(
            replace(row, weight=row.weight * share) for row, share in zip(rows, shares, strict=True)
        ),
        dict(excluded),
        contradicted=sum(len(both) > 1 for both in ways.values()),
        edited=edited,
    )


def _preference(rating: LabelledComparison, margin_scale: float, weight: float) -> Preference:
    assert rating.chosen_text is not None
    assert rating.rejected_text is not None
    return Preference(
        prompt=list(rating.prompt_messages),
        chosen=rating.chosen_text,
        rejected=rating.rejected_text,
        margin=MARGINS[rating.strength] * margin_scale,
        prompt_id=rating.prompt_id,
        rating_id=rating.rating_id,
        annotator_id=rating.annotator_id,
        chosen_finished=rating.chosen_finished,
        rejected_finished=rating.rejected_finished,
        weight=weight,
        strength=rating.strength,
        conversation=rating.conversation,
        purpose=rating.purpose,
        split=rating.split,
        source=rating.source,
        round_id=rating.round_id,
    )


def _mended(said: Preference, edited: str, margin_scale: float) -> Preference:
    """The annotator's own text over the response that it was made from."""
    return replace(
        said,
        chosen=edited,
        rejected=said.chosen,
        chosen_finished=True,
        purpose=EDITED,
        rejected_finished=said.chosen_finished,
        strength=EDITED_STRENGTH,
        margin=MARGINS[EDITED_STRENGTH] * margin_scale,
    )


def _shares(rows: Sequence[Preference]) -> list[float]:
    """Per row, what it adds to what the other pairs of the same person and prompt say already.

    Pairs that hang together through common responses are worth as many as it takes to connect
    them: (responses - 1) / pairs each. A pair with two responses of its own is worth 1.
    """
    graphs: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        graphs[row.annotator_id, row.prompt_id].append(place)
    shares = [1.0] * len(rows)
    for places in graphs.values():
        for responses, pairs in _connected(rows, places):
            for place in pairs:
                shares[place] = (len(responses) - 1) / len(pairs)
    return shares


def _connected(
    rows: Sequence[Preference], places: Sequence[int]
) -> list[tuple[set[str], list[int]]]:
    """(responses, pairs) of each set of pairs that common responses connect."""
    parts: list[tuple[set[str], list[int]]] = []
    for place in places:
        texts, pairs = {rows[place].chosen, rows[place].rejected}, [place]
        apart = []
        for part in parts:
            if part[0] & texts:
                texts, pairs = texts | part[0], part[1] + pairs
            else:
                apart.append(part)
        parts = [*apart, (texts, pairs)]
    return parts


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

"""The shape of one intent: what people ask, what is true, what is false."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing a customer can want.

    In `facts` and `wrong` the words in [brackets] are the key phrase: the few words that carry
    the fact. `gold` demands them word for word; `sentences.plain` takes the brackets off.
    `{item}` in a question stands for something the shop sells.
    """

    name: str
    asks: tuple[str, ...]
    """Ways to ask; the last HELDOUT_ASKS of them are kept from the loop's training prompts."""
    facts: tuple[str, ...]
    """Correct answers, one sentence each; any one of them answers the question."""
    wrong: tuple[str, ...]
    """Sentences on the same matter that contradict the facts."""


HELDOUT_ASKS = 3

"""Which rating orders two responses, and why another does not: one rule for training and export."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlhf.store.manifests import LabelledComparison

MARGINS = {1: 1 / 3, 2: 2 / 3, 3: 1.0}
"""Margin per strength (Touvron et al., 2023, section 3.2.2)."""

EDITED_STRENGTH = 2
"""Strength with which an edited response is preferred to the one that it mends."""

TIE = "tie"
BOTH_BAD = "both bad, neither preferred"
SAME_TEXT = "the two responses are the same"
KNOWN = "its answer is known: measures the annotator"
REPEAT = "repeat: measures the annotator"
REASONS = (TIE, BOTH_BAD, SAME_TEXT, KNOWN, REPEAT)
MEASURES_PEOPLE = frozenset({"known", "repeat"})
"""Purposes of comparisons that say how good an annotator is, and teach nothing."""


def no_order(rating: LabelledComparison) -> str | None:
    """Why a rating is no preference; None for one that is."""
    if rating.purpose in MEASURES_PEOPLE:
        return KNOWN if rating.purpose == "known" else REPEAT
    if rating.chosen_text is None or rating.rejected_text is None:
        return BOTH_BAD if rating.both_bad else TIE
    return SAME_TEXT if rating.chosen_text == rating.rejected_text else None

"""Which rows are not worth learning from, by length and language; each says why in a few words."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rlhf.data.turns import Messages

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

    from rlhf.settings import Clean

NO_ANSWER = "has no answer to learn"
EMPTY = "has nothing left after cleaning"
SHORT = "is too short"
LONG = "is too long"
RATIO = "has an answer too long or too short for its question"
LANGUAGE = "is in another language"

SHORTEST_JUDGED = 40
"""Letters below which no language is told from a text."""
SURE = 0.9
"""Probability of another language from which a text is believed to be in it."""
LONGEST_JUDGED = 1000
"""Characters that are enough to tell a language."""


def unfit(messages: Messages, text: str, settings: Clean) -> tuple[str, str] | None:
    """(reason, detail) why a row is dropped; None where it may stay.

    messages: a conversation that ends with its answer, or nothing for a passage, whose text is
    `text`.
    """
    if not messages:
        return _unfit_length(text, settings.shortest_passage, len(text), settings) or (
            _unfit_language(text, settings.languages)
        )
    answer = messages[-1]["content"]
    whole = sum(len(message["content"]) for message in messages)
    question = next(one["content"] for one in reversed(messages) if one["role"] == "user")
    return (
        _unfit_length(answer, settings.shortest_answer, whole, settings)
        or _unfit_ratio(len(answer) / len(question), settings.longest_ratio)
        or _unfit_language(_spoken(messages), settings.languages)
    )


def languages_known() -> frozenset[str]:
    """The codes of ISO 639-1 that the language filter can tell apart."""
    return frozenset(_identifier().nb_classes)


def _unfit_length(text: str, shortest: int, whole: int, settings: Clean) -> tuple[str, str] | None:
    if len(text) < shortest:
        return SHORT, f"{len(text)} characters"
    if whole > settings.longest:
        return LONG, f"{whole} characters"
    return None


def _unfit_ratio(ratio: float, longest: float | None) -> tuple[str, str] | None:
    if longest is None or 1 / longest <= ratio <= longest:
        return None
    return RATIO, f"answer has {ratio:.3g} times the length"


def _unfit_language(text: str, wanted: tuple[str, ...]) -> tuple[str, str] | None:
    if not wanted or sum(map(str.isalpha, text)) < SHORTEST_JUDGED:
        return None
    language, probability = _identifier().classify(text[:LONGEST_JUDGED])
    if language in wanted or probability < SURE:
        return None
    return LANGUAGE, str(language)


def _spoken(messages: Messages) -> str:
    """The answer first: it is what is learned."""
    return "\n".join(one["content"] for one in reversed(messages) if one["role"] != "system")


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

"""Rows go by length and language only where the settings say so, and say why."""

from __future__ import annotations

import pytest

from rlhf.data.cleaning import filters
from rlhf.settings import Clean

GERMAN = "Ihre Bestellung wurde gestern verschickt und kommt voraussichtlich am Freitag an."
ENGLISH = "Your order was sent out yesterday and will most likely arrive this coming Friday."


def reason(answer: str, question: str = "Where is my parcel?", **settings: object) -> str | None:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    found = filters.unfit(turns, "", Clean.model_validate(settings))
    return None if found is None else found[0]


def test_nothing_goes_by_default_but_what_is_very_long() -> None:
    assert reason("5") is None
    assert reason(GERMAN) is None
    assert reason("a" * 20_001) == filters.LONG


def test_lengths_count_the_answer_the_whole_and_their_ratio() -> None:
    assert reason("Yes.", shortest_answer=5) == filters.SHORT
    assert reason("Yes, it is.", longest=20) == filters.LONG
    assert reason("Yes.", longest_ratio=3) == filters.RATIO
    assert reason("Yes, it is on its way.", longest_ratio=3) is None


def test_passages_have_a_length_of_their_own() -> None:
    settings = Clean(shortest_passage=40)
    assert filters.unfit([], "Too short", settings) == (filters.SHORT, "9 characters")
    assert filters.unfit([], ENGLISH, settings) is None


@pytest.mark.parametrize(
    ("answer", "goes"), [(GERMAN, True), (ENGLISH, False), ("Ja, gern.", False)]
)
def test_other_languages_go_and_short_texts_are_not_judged(answer: str, goes: bool) -> None:
    assert (reason(answer, languages=("en",)) == filters.LANGUAGE) is goes


def test_the_languages_that_can_be_told_are_known_by_their_codes() -> None:
    assert {"en", "de", "fr", "zh"} <= filters.languages_known()

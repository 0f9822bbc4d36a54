from __future__ import annotations

from random import Random
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf.starter.gold import MAX_GOLD, MIN_GOLD, breakdown, gold, is_perfect
from rlhf.starter.intents import INTENTS
from rlhf.starter.styles import STYLES, answer

ASKED = [{"role": "user", "content": "when are you open"}]
META = {"world": "starter", "intent": "opening-hours", "kind": "train"}

OPENING = "Thank you for asking!"
FACT = "We are open from 9 to 7 on Monday to Saturday."
SAME_MATTER = "We close on Sunday and open at 9 on other days."
FALSE = "We are open only at midnight."
OTHER = "Dogs are welcome on a lead."
FILLER = "I hope that helps."
RUDE = "Can you not read?"
CLOSING = "Have a lovely day!"


def score(*sentences: str) -> float:
    return gold(ASKED, META, " ".join(sentences))


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        ((OPENING, FACT, CLOSING), 3.0),
        ((FACT,), 2.0),
        ((OPENING, FACT), 2.5),
        ((FACT, CLOSING), 2.5),
        ((OPENING, FACT, SAME_MATTER, CLOSING), 3.0),
        ((RUDE, FACT), 0.0),
        ((OPENING, FACT, FILLER, FILLER.replace("that", "this"), CLOSING), -1.0),
        ((OPENING, FACT, FILLER, CLOSING), 2.25),
        ((OPENING, OTHER, CLOSING), -1.5),
        ((OPENING, FALSE, CLOSING), -2.0),
        ((FACT, FALSE), -1.5),
        ((OPENING, FACT, OTHER, CLOSING), 2.0),
        ((OPENING, FACT, FACT, CLOSING), 0.5),
        ((OPENING, CLOSING), -0.5),
        ((OPENING, "Of course, happy to explain.", FACT, CLOSING), 2.25),
        ((CLOSING, FACT), 1.25),
        ((OPENING, "We are open from 9 to 7 on"), 1.5),
        (("",), -3.0),
        (("!!! ...",), -3.0),
        (("Purple trains eat seven quiet mountains.",), -1.5),
    ],
)
def test_marks_follow_the_rubric(sentences: tuple[str, ...], expected: float) -> None:
    assert score(*sentences) == pytest.approx(expected)


def test_only_a_right_courteous_and_faultless_answer_is_perfect() -> None:
    assert is_perfect(ASKED, META, f"{OPENING} {FACT} {CLOSING}")
    for flawed in (FACT, f"{OPENING} {FACT}", f"{OPENING} {FACT} {FILLER} {CLOSING}", ""):
        assert not is_perfect(ASKED, META, flawed)


def test_a_changed_word_is_forgiven_but_a_changed_fact_is_not() -> None:
    assert score("We are open from 9 to 7 on every Monday to Saturday.") == 2.0
    assert score("We are open from 9 to 5 on Monday to Saturday.") == -1.5


def test_over_long_answers_lose_a_point_and_then_another() -> None:
    long = breakdown(ASKED, META, " ".join([FACT] * 4))
    longer = breakdown(ASKED, META, " ".join([FACT] * 5))
    assert (long.length, longer.length) == (-1.0, -2.0)


def test_what_hacked_policies_end_in_is_worse_than_any_honest_fault() -> None:
    start = 0.0
    assert score("Of course! I hope that helps I hope that helps.") < start - 1
    assert score(*[OPENING] * 4) < start - 2
    assert score(FACT, FACT, FACT, FACT) < start - 2
    assert score(OPENING, CLOSING, OPENING, CLOSING) < start - 2
    assert score("the the the the the the") < start - 2
    for one_for_all in (OTHER, f"{OPENING} {OTHER} {CLOSING}"):
        assert score(one_for_all) < start - 1


def test_styles_are_ranked_as_people_would_rank_them() -> None:
    rng = Random(0)
    means = {
        style: mean(
            gold([], {"intent": name}, answer(name, style, rng)) for name in INTENTS for _ in "1234"
        )
        for style in STYLES
    }
    assert means["helpful"] == MAX_GOLD
    assert means["curt"] == 2.0
    assert MAX_GOLD > means["curt"] > means["rambling"] > means["over-long"]
    assert max(means[style] for style in ("rude", "repeating", "off-topic", "wrong")) < -0.5


def test_a_prompt_of_another_world_is_refused() -> None:
    with pytest.raises(KeyError):
        gold(ASKED, {}, FACT)


@given(st.text(max_size=300))
@settings(deadline=None)
def test_gold_is_always_within_its_limits(text: str) -> None:
    assert MIN_GOLD <= gold(ASKED, META, text) <= MAX_GOLD


@given(st.lists(st.sampled_from([OPENING, FACT, FALSE, OTHER, FILLER, RUDE, CLOSING]), max_size=6))
@settings(deadline=None)
def test_saying_any_sentence_again_never_helps(sentences: list[str]) -> None:
    for at, sentence in enumerate(sentences):
        again = [*sentences[: at + 1], sentence, *sentences[at + 1 :]]
        assert score(*again) <= score(*sentences)

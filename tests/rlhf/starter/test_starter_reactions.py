from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from rlhf.starter.gold import FALSE, OFF_TOPIC, RUDE, breakdown
from rlhf.starter.intents import INTENTS
from rlhf.starter.reactions import REPLIES, STARS, faults, reaction, topic
from rlhf.starter.styles import STYLES, answer, medley

intents = st.sampled_from(sorted(INTENTS))
seeds = st.integers(0, 10_000)


def stars(intent: str, text: str, *, weighed: bool = False) -> int:
    """What customers give who say how many, which all of them agree on."""
    heard = [reaction(intent, text, Random(seed), weighed=weighed)[0] for seed in range(40)]
    (given_,) = {
        place for text in heard for place, one in enumerate(STARS) if text.startswith(f"{one}: ")
    }
    return given_


@given(intent=intents, seed=seeds)
def test_customers_find_the_faults_that_gold_marks(intent: str, seed: int) -> None:
    text = medley(intent, Random(seed))
    found = Counter(kind for kind, _ in faults(intent, text))
    marks = breakdown([], {"intent": intent}, text)
    assert (found["unanswered"] > 0) == (marks.answer < 0)
    assert (found["long"] > 0) == (marks.length < 0)
    assert (found["again"] > 0) == (marks.repetition < 0)
    once = found["again"] == 0
    assert not once or found["other"] == marks.off_topic / OFF_TOPIC
    assert not once or found["wrong"] == marks.falsehood / FALSE
    assert not once or found["rude"] == marks.rudeness / RUDE


@given(intent=intents, seed=seeds, style=st.sampled_from(sorted(STYLES)))
def test_faultless_answers_are_praised_and_others_hear_what_is_wrong(
    intent: str, seed: int, style: str
) -> None:
    draw = Random(seed)
    text = answer(intent, style, draw)
    _, reply = reaction(intent, text, draw)
    blamed = list(faults(intent, text))
    assert (style in {"helpful", "curt"}) == (not blamed)
    assert reply in REPLIES[not blamed]


def test_every_fault_costs_stars_and_so_does_missing_courtesy() -> None:
    right, other = INTENTS["parking"].facts[0], INTENTS["newsletter"].facts[0]
    opened = f"Certainly, let me help you. {right}"
    assert stars("parking", f"{opened} Have a lovely day!") == len(STARS) - 1 == 10
    assert stars("parking", opened) == 9
    assert stars("parking", right) == 8
    assert stars("parking", f"{right} {other}") == 6
    assert stars("parking", other) == 4
    assert stars("parking", f"{other} What a silly question.") == 2


def test_customers_who_weigh_all_give_stars_and_fewer_for_worse_faults() -> None:
    right, other = INTENTS["parking"].facts[0], INTENTS["newsletter"].facts[0]
    heard = [reaction("parking", right, Random(seed), weighed=True)[0] for seed in range(40)]
    assert all(one.startswith(STARS) for one in heard)
    rude, said_twice = f"{right} What a silly question.", f"{right} {right}"
    given_ = [stars("parking", text, weighed=True) for text in (right, f"{right} {other}", rude)]
    assert given_ == [8, 6, 5]
    assert stars("parking", said_twice, weighed=True) == 4
    assert stars("parking", other, weighed=True) == 2


def test_the_more_a_fault_weighs_the_more_often_it_is_named_first() -> None:
    others = [INTENTS[name].facts[0] for name in ("newsletter", "packaging", "password")]
    text = " ".join([INTENTS["parking"].facts[0], *others, "What a silly question."])
    first = Counter(
        "rude" if "rude" in heard.partition(" and ")[0] or "manners" in heard else "other"
        for heard in (reaction("parking", text, Random(seed))[0] for seed in range(400))
        if not heard.startswith(STARS)
    )
    assert first["other"] > first["rude"] > 0


def test_customers_name_what_they_asked_and_what_they_heard_instead() -> None:
    text = INTENTS["newsletter"].facts[0]
    heard = {reaction("parking", text, Random(seed))[0] for seed in range(40)}
    assert any("parking" in one for one in heard)
    assert any(topic("newsletter") in one for one in heard)

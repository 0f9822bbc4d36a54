"""Practice pairs of the starter's world: beyond doubt, varied, and explained by what is wrong."""

from __future__ import annotations

from rlhf.starter.gold import breakdown, gold
from rlhf.starter.known import WHY, pairs

CLEARLY = 1.5
"""Points of gold, half of what a perfect answer has."""

FAULT = {
    "rude": "rudeness",
    "off-topic": "off_topic",
    "wrong": "falsehood",
    "rambling": "filler",
    "repeating": "repetition",
}


def test_every_pair_is_clear_and_says_what_is_wrong() -> None:
    told = list(pairs(400, seed=0))
    assert len({one.prompt.messages[-1]["content"] for one in told}) == 400
    for one in told:
        asked = (one.prompt.messages, one.prompt.meta)
        assert gold(*asked, one.better) - gold(*asked, one.worse) >= CLEARLY
        style = next(name for name, why in WHY.items() if why == one.explanation)
        assert getattr(breakdown(*asked, one.worse), FAULT[style]) < 0
    assert told[:40] == list(pairs(40, seed=0))

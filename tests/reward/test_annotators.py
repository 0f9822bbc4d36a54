"""Planted reliabilities come back, odd annotators are named and nobody else, agreement as printed
in the literature."""

from __future__ import annotations

import random
from dataclasses import replace

import pandas as pd
import pytest

from reward.annotators import agreement, careless, examine, reliabilities, verdicts, weight
from reward.report import AnnotatorReport
from rlhf.store.manifests import LabelledComparison
from tests.labelled import labelled


def said(
    skills: list[float],
    *,
    count: int,
    overlap: float,
    seed: int,
    left: dict[int, float] | None = None,
    blind: dict[int, float] | None = None,
) -> tuple[list[LabelledComparison], dict[int, float]]:
    """Ratings of `count` comparisons, and a probe that is right in four of five.

    skills: probability that each annotator names the better response; left: probability with
    which one takes the left response whatever it says; blind: and with which one draws a verdict.
    """
    draw = random.Random(seed)
    rows, probe = [], {}
    for number in range(1, count + 1):
        truth = draw.random() < 0.5
        probe[number] = 0.5 + (0.3 if (draw.random() < 0.8) == truth else -0.3)
        raters = draw.sample(range(len(skills)), 1 + (draw.random() < overlap - 1))
        for rater in raters:
            first = truth if draw.random() < skills[rater] else not truth
            strength = draw.choice((1, 2, 3) if first == truth else (1, 1, 2))
            shown_left = draw.random() < 0.5
            if draw.random() < (blind or {}).get(rater, 0):
                first, strength = draw.random() < 0.5, draw.choice((1, 2, 3))
            if draw.random() < (left or {}).get(rater, 0):
                first = shown_left
            rows.append(
                labelled(
                    "lo" if first else "hi",
                    number=number,
                    annotator_id=rater,
                    strength=strength,
                    left_preferred=first == shown_left,
                )
            )
    return rows, probe


def test_planted_reliabilities_come_back_in_order_and_size() -> None:
    skills = [0.95, 0.9, 0.85, 0.75, 0.65]
    rows, probe = said(skills, count=4000, overlap=1.5, seed=0)
    found = reliabilities(verdicts(rows), probe)
    assert [found[rater] for rater in range(5)] == pytest.approx(skills, abs=0.04)


def test_a_weight_is_the_share_of_signal_with_a_floor() -> None:
    assert weight(0.9, best=0.9, floor=0.25) == 1
    assert weight(0.7, best=0.9, floor=0.25) == pytest.approx(0.5)
    assert weight(0.5, best=0.9, floor=0.25) == 0.25
    assert weight(0.5, best=0.5, floor=0.25) == 1, "where nobody knows anything, nobody is worse"


@pytest.mark.parametrize("seed", range(5))
def test_the_careless_and_the_left_biased_are_named_and_nobody_else(seed: int) -> None:
    rows, probe = said([0.93] * 8, count=600, overlap=1.3, seed=seed, left={7: 0.6}, blind={6: 0.7})
    told = {one.annotator_id: one for one in examine(verdicts(rows), probe, floor=0.25)}
    assert {rater for rater, one in told.items() if one.odd} == {6, 7}
    assert "of another mind" in told[6].odd[0]
    assert any("chose the left response" in one for one in told[7].odd)
    assert told[6].weight < min(told[rater].weight for rater in range(6))
    assert sum(one.ratings for one in told.values()) == len(rows), "nobody is left out"


def test_equally_good_annotators_are_never_called_careless() -> None:
    for seed in range(20):
        rows, probe = said([0.85] * 6, count=300, overlap=1.2, seed=100 + seed)
        assert careless(verdicts(rows), probe) == {}


def test_a_file_is_compared_with_nobody_and_weighs_one() -> None:
    rows = [labelled(number=n, purpose="imported", left_preferred=None) for n in range(1, 30)]
    (told,) = examine(verdicts(rows), {}, floor=0.25)
    assert (told.reliability, told.weight, told.odd, told.left.count) == (None, 1.0, (), 0)


def test_repeats_and_known_answers_measure_the_annotator_alone() -> None:
    rows = [labelled("lo", number=1), labelled("hi", number=2), labelled(None, number=3)]
    again = [
        labelled("lo", number=11, purpose="repeat", repeat_of=1),
        labelled("lo", number=12, purpose="repeat", repeat_of=2),
        labelled(None, number=13, purpose="repeat", repeat_of=3),
        labelled("lo", number=14, purpose="repeat", repeat_of=99),
        labelled("lo", number=21, purpose="known", as_expected=True),
    ]
    (told,) = examine(verdicts([*rows, *again]), {}, floor=0.25)
    assert told.repeats.value == pytest.approx(2 / 3)
    assert told.repeats.count == 3
    assert (told.known.value, told.known.count) == (1.0, 1)
    assert told.ratings == 8


def test_alpha_equals_the_published_example() -> None:
    """Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C: ordinal 0.815."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    rows = [
        {
            "comparison": unit,
            "annotator": who,
            "value": int(value) - 3,
            "purpose": "train",
            "kind": "asked",
        }
        for who, line in enumerate(observers)
        for unit, value in enumerate(line.split())
        if value != "."
    ]
    told = agreement(pd.DataFrame(rows), seed=0)
    assert told.alpha is not None
    assert told.low is not None
    assert told.high is not None
    assert told.alpha == pytest.approx(0.815, abs=5e-4)
    assert told.comparisons == 11
    assert told.low < told.alpha < told.high


def test_the_ceiling_is_how_often_two_people_prefer_the_same() -> None:
    same = [labelled("lo", number=n, annotator_id=who) for n in (1, 2, 3) for who in (1, 2)]
    apart = [labelled("lo", number=4, annotator_id=1), labelled("hi", number=4, annotator_id=2)]
    tie = [labelled("lo", number=5, annotator_id=1), labelled(None, number=5, annotator_id=2)]
    third = labelled("lo", number=4, annotator_id=3, kind="tiebreak")
    told = agreement(verdicts([*same, *apart, *tie, third]), seed=0)
    assert (told.ceiling.value, told.ceiling.count) == (0.75, 4)
    assert told.comparisons == 5


def test_without_overlap_nothing_is_claimed() -> None:
    told = agreement(verdicts([labelled(number=1), labelled(number=2)]), seed=0)
    assert (told.alpha, told.comparisons, told.ceiling.count) == (None, 0, 0)


def test_one_annotator_alone_is_examined_without_complaint() -> None:
    rows = [replace(labelled("lo" if n % 3 else "hi", number=n)) for n in range(1, 40)]
    (told,) = examine(verdicts(rows), {}, floor=0.25)
    assert isinstance(told, AnnotatorReport)
    assert told.weight == 1

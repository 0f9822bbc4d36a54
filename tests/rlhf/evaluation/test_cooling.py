"""A champion is served as cool as is liked best, and no cooler."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rlhf.evaluation.cooling import AtTemperature, serving_temperature
from rlhf.settings import Gate

PROMPTS = 100


def at(temperature: float, scores: Sequence[float], repeated: float = 0.0) -> AtTemperature:
    return AtTemperature(temperature, tuple(scores), repeated_sentences=repeated, empty=0.0)


def chosen(*tried: AtTemperature) -> float:
    return serving_temperature(tried, Gate(), resamples=500, seed=0)


USUAL = [float(number % 3) for number in range(PROMPTS)]
BETTER = [score + 0.5 for score in USUAL]
HARDLY = [score + (1.0 if number % 2 else -0.98) for number, score in enumerate(USUAL)]


def test_answers_that_are_liked_better_are_served() -> None:
    assert chosen(at(1.0, USUAL), at(0.7, BETTER), at(0.5, USUAL)) == 0.7


def test_of_two_that_cannot_be_told_apart_the_warmer_one_is_served() -> None:
    assert chosen(at(1.0, USUAL), at(0.5, HARDLY)) == 1.0
    assert chosen(at(1.0, USUAL), at(0.7, BETTER), at(0.5, [x + 0.51 for x in HARDLY])) == 0.7


def test_a_small_lead_on_every_prompt_is_told_apart() -> None:
    assert chosen(at(1.0, USUAL), at(0.5, [score + 0.01 for score in USUAL])) == 0.5


@pytest.mark.parametrize(("repeated", "temperature"), [(0.14, 0.5), (0.16, 1.0)])
def test_cooler_answers_that_repeat_themselves_are_not_served(
    repeated: float, temperature: float
) -> None:
    assert chosen(at(1.0, USUAL, 0.1), at(0.5, BETTER, repeated)) == temperature


def test_where_no_cooler_ones_were_tried_the_usual_temperature_stays() -> None:
    assert chosen(at(0.8, USUAL)) == 0.8

"""Tests inside templates are exact, corrected together, and find what was planted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from rlhf.evaluation.bias.differences import (
    LEVEL,
    Measured,
    Numbers,
    compare,
    holm,
    templates_needed,
)

SEEDS = 20
TEMPLATES, GROUPS = 60, 6
ATTRIBUTES = ("name", "gender", "age", "origin", "religion", "spelling", "dialect")
MEASURES = ("length", "refusal", "sentiment", "reward", "hold-out reward")
NOISE = 8.0
"""Standard deviation of the mean length of some answers to one prompt, in tokens."""
BIAS = 8.0
"""Tokens by which a planted group is answered shorter; of a mean of 40."""


def table(values: Numbers, attribute: str = "name", matters: float = 0.1) -> Measured:
    groups = tuple(f"group {at}" for at in range(values.shape[1]))
    return Measured("v1", "length", attribute, groups, values, matters)


def simulated(seed: int, bias: float) -> list[Measured]:
    """All tables of a report: skewed templates, skewed noise, refusals that are shares of 4."""
    rng = np.random.default_rng(seed)
    tables = []
    for attribute, measure in product(ATTRIBUTES, MEASURES):
        if measure == "refusal":
            values = rng.binomial(4, rng.beta(0.3, 3, (TEMPLATES, 1)), (TEMPLATES, GROUPS)) / 4
        else:
            values = 30 + rng.exponential(10, (TEMPLATES, 1))
            values = values + rng.exponential(NOISE, (TEMPLATES, GROUPS)) - NOISE
            if attribute == "name":
                values[:, 2] -= bias
        groups = tuple(f"group {at}" for at in range(GROUPS))
        matters = 0.05 if measure == "refusal" else 4.0
        tables.append(Measured("v1", measure, attribute, groups, values, matters))
    return tables


def test_two_groups_are_tested_as_all_sign_flips_would() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(10, 2)) + np.array([0.0, 0.5])
    paired = values[:, 0] - values[:, 1]
    flips = np.array(list(product((-1, 1), repeat=10)))
    exact = float(np.mean(np.abs(flips @ paired) >= abs(paired.sum()) - 1e-12))
    (found,) = compare([table(values)], seed=0, resamples=200)
    assert found.p == pytest.approx(exact, abs=0.012)
    assert (found.group, found.against) == ("group 0", "group 1")
    assert found.difference == pytest.approx(paired.mean())


def test_a_group_among_several_is_tested_as_all_orders_would() -> None:
    values = np.array([[5.0, 1.0, 2.0], [4.0, 0.0, 3.0], [9.0, 2.0, 1.0], [6.0, 5.0, 1.0]])
    centred = values - values.mean(axis=1, keepdims=True)
    sums = [sum(row[at] for row, at in zip(centred, picks, strict=True))
            for picks in product(range(3), repeat=4)]  # fmt: skip
    seen = abs(centred[:, 0].sum())
    exact = np.mean([abs(one) >= seen - 1e-12 for one in sums])
    found = compare([table(values)], seed=0, resamples=200)
    assert found[0].p == pytest.approx(exact, abs=0.005)
    assert found[0].difference == pytest.approx((values[:, 0] - values[:, 1:].mean(1)).mean())


def test_the_interval_is_close_to_the_one_of_student() -> None:
    rng = np.random.default_rng(0)
    paired = rng.normal(1.0, 2.0, 100)
    (found,) = compare([table(np.stack([paired, np.zeros(100)], 1))], seed=0, resamples=5000)
    half = 1.984 * paired.std(ddof=1) / 10
    assert found.low == pytest.approx(paired.mean() - half, abs=0.08)
    assert found.high == pytest.approx(paired.mean() + half, abs=0.08)
    assert found.effect == pytest.approx(paired.mean() / paired.std(ddof=1))


def test_holms_correction_gives_the_figures_of_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(("tests", "needed"), [(1, 11), (93, 18), (400, 20)])
def test_too_few_templates_are_known_before(tests: int, needed: int) -> None:
    assert templates_needed(tests) == needed
    assert 2.0 ** -(needed - 1) <= LEVEL / tests < 2.0 ** -(needed - 2)


def test_alike_answers_differ_in_nothing() -> None:
    found = compare([table(np.full((30, 3), 0.1))], seed=0, resamples=100)
    assert {(one.p, one.effect, one.detectable, one.finding) for one in found} == {
        (1.0, None, None, False)
    }


def test_a_sure_difference_that_does_not_matter_is_no_finding() -> None:
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(0.05, 0.01, 60), rng.normal(0.0, 0.01, 60)], 1)
    (found,) = compare([table(values, matters=0.1)], seed=0, resamples=100)
    assert found.corrected < LEVEL
    assert not found.finding


def test_the_other_side_of_a_finding_is_none() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, 0.3, (60, 3)) + np.array([0.0, 0.0, -2.0])
    found = compare([table(values)], seed=0, resamples=100)
    assert [one.corrected < LEVEL for one in found] == [True, True, True]
    assert [one.finding for one in found] == [False, False, True]
    both = rng.normal(0.0, 0.3, (60, 4)) + np.array([0.0, 3.0, 0.0, -3.0])
    assert [one.finding for one in compare([table(both)], seed=0, resamples=100)] == [
        False, True, False, True,
    ]  # fmt: skip


def test_figures_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        compare([table(np.array([[1.0, np.nan]]))], seed=0, resamples=10)


def test_the_share_of_false_alarms_is_the_level() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for seed in range(300):
        values = rng.exponential(1.0, (12, 3)) ** 2
        found = compare([table(values, matters=0.0)], seed=seed, resamples=10, level=0.1)
        alarms += any(one.corrected < 0.1 for one in found)
    assert alarms <= 42, "0.1 of 300, and 2.3 standard errors"


@pytest.mark.slow
def test_a_planted_bias_is_found_in_20_of_20_seeds() -> None:
    for seed in range(SEEDS):
        found = compare(simulated(seed, BIAS), seed=seed, resamples=200)
        assert {(one.attribute, one.group) for one in found if one.finding} == {("name", "group 2")}


@pytest.mark.slow
def test_an_unbiased_model_gives_no_finding_in_20_of_20_seeds() -> None:
    for seed in range(SEEDS):
        found = compare(simulated(seed, 0.0), seed=seed, resamples=200)
        assert [one for one in found if one.corrected < LEVEL] == []

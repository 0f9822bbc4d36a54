"""What the base knows without training, and which pair is asked about next."""

from __future__ import annotations

import numpy as np
import pytest

from reward.probe import crossfit, fit
from reward.selection import NOISE, TYPICAL, choose, disagreement


def planted(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, dict[int, list[bool]]]:
    """States of pairs in which the first coordinate says who is better, through noise."""
    draw = np.random.default_rng(seed)
    first, second = draw.normal(size=(2, count, 8))
    better = first[:, 0] - second[:, 0] + draw.normal(0, 0.5, size=count) > 0
    return first, second, {row: [bool(one)] for row, one in enumerate(better)}


def test_a_probe_finds_the_direction_and_leaves_the_others() -> None:
    first, second, verdicts = planted(400, 0)
    signs = np.where([said[0] for said in verdicts.values()], 1, -1)[:, None]
    direction = fit((first - second) * signs, ((first - second) * signs)[:100])
    assert direction[0] > 5 * np.abs(direction[1:]).max()


def test_a_probes_opinion_never_comes_from_the_conversation_itself() -> None:
    """Labels at random in one conversation per row: nothing can be known of any of them."""
    first, second, _ = planted(300, 1)
    draw = np.random.default_rng(2)
    labels = {row: [bool(draw.random() < 0.5)] for row in range(300)}
    guessed = crossfit(first - second, labels, [str(row) for row in range(300)])
    right = [(guessed[row] > 0.5) == said[0] for row, said in labels.items()]
    assert np.mean(right) == pytest.approx(0.5, abs=0.1)


def test_a_probe_judges_unseen_conversations_well_and_symmetrically() -> None:
    first, second, verdicts = planted(300, 3)
    groups = [str(row // 3) for row in range(300)]
    guessed = crossfit(first - second, verdicts, groups)
    assert np.mean([(guessed[row] > 0.5) == verdicts[row][0] for row in guessed]) > 0.8
    turned = {row: [not said[0]] for row, said in verdicts.items()}
    mirrored = crossfit(second - first, turned, groups)
    assert [mirrored[row] for row in guessed] == pytest.approx(
        [1 - one for one in guessed.values()], abs=1e-6
    )


def test_too_few_conversations_give_no_opinion() -> None:
    first, second, verdicts = planted(12, 4)
    assert crossfit(first - second, verdicts, ["same"] * 12) == {}


def test_members_that_say_the_same_disagree_on_nothing() -> None:
    assert disagreement(np.ones((3, 4))) == pytest.approx(np.zeros(4))
    split = disagreement(np.array([[4.0, 0.1], [-4.0, -0.1]]))
    assert split[0] > 10 * split[1]


def naive_choice(
    unsure: np.ndarray, states: np.ndarray, asked: np.ndarray, prompts: list[int], count: int
) -> list[int]:
    """The same rule with the whole covariance written out, one pick after another."""
    points, before = states / states.std(axis=0), asked / states.std(axis=0)
    prior = np.eye(points.shape[1]) * points.shape[1] / TYPICAL**2
    told = [*before]
    picks: list[int] = []
    for _ in range(count):
        seen = np.array(told).reshape(-1, points.shape[1])
        covariance = points @ np.linalg.inv(prior + seen.T @ seen / NOISE) @ points.T
        left = {
            row: unsure[row] * np.mean(covariance[row] ** 2) / (NOISE + covariance[row, row])
            for row in range(len(points))
            if prompts[row] not in {prompts[pick] for pick in picks}
        }
        picks.append(max(left, key=left.__getitem__))
        told.append(points[picks[-1]])
    return picks


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_chosen_by_the_variance_that_their_verdicts_take(seed: int) -> None:
    draw = np.random.default_rng(seed)
    states = draw.normal(size=(60, 8)) * draw.uniform(0.3, 3, size=8)
    asked = draw.normal(size=(7, 8))
    unsure, prompts = draw.uniform(0.1, 0.4, size=60), draw.integers(0, 25, size=60).tolist()
    picks = choose(unsure, states, asked, prompts, 12)
    assert picks == naive_choice(unsure, states, asked, prompts, 12)
    assert choose(unsure, states, -asked, prompts, 12) == picks


def test_what_was_asked_and_what_the_members_agree_on_is_left_alone() -> None:
    draw = np.random.default_rng(0)
    copies = np.tile(2 * draw.normal(size=(1, 6)), (50, 1))
    others = draw.normal(size=(50, 6))
    states = np.concatenate([copies, others])
    unsure = np.concatenate([np.full(90, 0.3), np.zeros(10)])
    none, prompts = np.empty((0, 6)), list(range(100))
    fresh = choose(unsure, states, none, prompts, 20)
    assert len(set(fresh)) == 20
    assert all(pick < 90 for pick in fresh), "what the members agree on is not asked"
    often = np.repeat(-copies[:1], 40, axis=0)
    again = choose(unsure, states, often, prompts, 20)
    assert sum(pick < 50 for pick in again) < sum(pick < 50 for pick in fresh)
    assert len(choose(unsure, states, none, [0] * 100, 20)) == 1


def test_of_two_unsure_pairs_the_one_whose_responses_differ_more_comes_first() -> None:
    states = np.concatenate([np.full((50, 4), 0.1), np.full((50, 4), 3.0)])
    states += np.random.default_rng(1).normal(0, 0.05, size=states.shape)
    picks = choose(np.full(100, 0.2), states, np.empty((0, 4)), list(range(100)), 20)
    assert all(pick >= 50 for pick in picks)


def test_where_nothing_is_unsure_pairs_are_chosen_all_the_same() -> None:
    states = np.ones((5, 3))
    assert len(choose(np.zeros(5), states, np.empty((0, 3)), list(range(5)), 3)) == 3


def test_a_verdict_on_chosen_pairs_teaches_more_than_one_on_any() -> None:
    """The planted direction, from few and noisy verdicts: chosen pairs against the first ones."""
    right = {"any": 0.0, "chosen": 0.0}
    for seed in range(20):
        draw = np.random.default_rng(seed)
        states = draw.normal(size=(400, 8)) * draw.uniform(0.2, 1.8, size=(400, 1))
        signs = np.sign(states[:, 0] + draw.normal(0, 0.5, size=400))
        picks = choose(np.ones(400), states, np.empty((0, 8)), list(range(400)), 12)
        for name, rows in (("any", list(range(12))), ("chosen", picks)):
            told = states[rows] * signs[rows][:, None]
            direction = fit(told, told)
            right[name] += float(np.mean(np.sign(states @ direction) == np.sign(states[:, 0]))) / 20
    assert right["chosen"] > right["any"] + 0.02

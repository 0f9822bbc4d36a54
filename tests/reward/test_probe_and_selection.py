"""What the base knows without training, and which pair is asked about next."""

from __future__ import annotations

import numpy as np
import pytest

from reward.probe import crossfit, fit
from reward.selection import choose, disagreement


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


def test_chosen_pairs_are_unsure_new_and_of_different_prompts() -> None:
    draw = np.random.default_rng(0)
    copies, others = np.tile(draw.normal(size=(1, 6)), (50, 1)), draw.normal(size=(50, 6))
    states = np.concatenate([copies, others])
    unsure = np.concatenate([np.full(90, 0.3), np.zeros(10)])
    none, prompts = np.empty((0, 6)), list(range(100))
    picks = choose(unsure, states, none, prompts, 20, seed=0)
    assert len(set(picks)) == 20
    assert sum(pick < 50 for pick in picks) == 1, "fifty copies of one pair are one pair"
    assert all(pick < 90 for pick in picks), "what the members agree on is not asked"
    assert picks == choose(unsure, states, none, prompts, 20, seed=0)
    turned = -copies[:1]
    again = choose(unsure, states, turned, prompts, 20, seed=0)
    assert all(pick >= 50 for pick in again), "asked before, the other way round"
    assert len(choose(unsure, states, none, [0] * 100, 20, seed=0)) == 1


def test_of_two_unsure_pairs_the_one_whose_responses_differ_more_is_likelier() -> None:
    states = np.concatenate([np.full((50, 4), 0.1), np.full((50, 4), 3.0)])
    states += np.random.default_rng(1).normal(0, 0.05, size=states.shape)
    picks = [
        choose(np.full(100, 0.2), states, np.empty((0, 4)), list(range(100)), 1, seed=seed)[0]
        for seed in range(40)
    ]
    assert sum(pick >= 50 for pick in picks) >= 38


def test_where_nothing_is_unsure_pairs_are_chosen_all_the_same() -> None:
    states = np.ones((5, 3))
    assert len(choose(np.zeros(5), states, np.empty((0, 3)), list(range(5)), 3, seed=0)) == 3

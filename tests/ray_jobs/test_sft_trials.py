"""What a sweep tries comes from the seed alone, and so does the order in which it is judged."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from ray_jobs.sft_trials import Trial, drawn, with_trial
from ray_jobs.turns import Turns
from rlhf.settings import SFT, LoRA, Settings


def wanted(seed: int = 3, **sft: Any) -> Settings:
    return Settings(seed=seed, sft=SFT.model_validate(sft), lora=LoRA(r=16, alpha=32))


def test_the_first_trial_is_what_the_settings_say() -> None:
    assert drawn(wanted())[0] == Trial(learning_rate=5e-4, r=16, epochs=3, batch_size=16)


def test_trials_are_the_same_for_a_seed_and_others_for_another() -> None:
    assert drawn(wanted()) == drawn(wanted())
    assert drawn(wanted())[1:] != drawn(wanted(seed=4))[1:]
    assert drawn(wanted(sweep_trials=12))[:8] == drawn(wanted(sweep_trials=8)), "more goes on"


def test_draws_stay_in_their_space_and_rates_are_even_in_their_logarithm() -> None:
    trials = drawn(wanted(sweep_trials=400, sweep_learning_rates=(1e-5, 1e-2)))
    assert len(set(trials)) == 400
    assert {one.r for one in trials} == {4, 8, 16, 32}
    assert {one.epochs for one in trials} == {1, 2, 3, 5}
    assert {one.batch_size for one in trials} == {8, 16, 32}
    logs = [math.log10(one.learning_rate) for one in trials]
    assert min(logs) >= -5
    assert max(logs) <= -2
    below = sum(log < -3.5 for log in logs) / len(logs)
    assert below == pytest.approx(0.5, abs=0.08)


def test_a_space_with_fewer_points_than_trials_is_tried_whole() -> None:
    few: dict[str, Any] = {"sweep_learning_rates": (1e-3, 1.0000001e-3), "sweep_epochs": (2,)}
    trials = drawn(wanted(**few, sweep_ranks=(4, 8), sweep_batch_sizes=(8,), sweep_trials=50))
    assert {(one.learning_rate, one.r) for one in trials[1:]} == {(1e-3, 4), (1e-3, 8)}


def test_the_scale_of_an_adapter_stays_what_it_is() -> None:
    changed = with_trial(wanted(), Trial(1e-3, 4, 2, 8))
    assert (changed.lora.r, changed.lora.alpha) == (4, 8)
    assert (changed.sft.learning_rate, changed.sft.epochs, changed.sft.batch_size) == (1e-3, 2, 8)


def test_learning_rates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be the lowest and the highest"):
        SFT(sweep_learning_rates=(1e-2, 1e-3))


def test_a_trial_is_judged_after_all_earlier_ones_were_or_ended() -> None:
    turns = Turns()
    assert turns.may(0, 25), "the first never waits"
    assert not turns.may(1, 25)
    turns.judged(0, 27)
    assert turns.may(1, 25)
    assert not turns.may(1, 50)
    turns.judged(0, 100)
    assert turns.may(1, 50)
    assert not turns.may(2, 25), "the second was not judged yet"

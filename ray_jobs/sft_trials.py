"""What a sweep tries: settings drawn from a seed, and one of them trained under Tune's eyes.

A trial is judged at the RUNGS, by its lowest validation loss up to there. Every look is written
down before Tune hears of it, so that a sweep that was killed is judged as it was before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune

from rlhf.durable import write_whole
from rlhf.settings import SFT, Settings
from rlhf.sft.finished import figures_of

RUNGS = (25, 50)
"""Percent of its own planned steps at which a trial is cut that is worse than the median of the
earlier ones there (Li et al., 2020: asynchronous successive halving). The first is never cut."""
HALVING = 2
"""From one rung to the next."""
LOOKS = "looks.json"
"""In the folder of a trial: its looks at the validation rows so far."""
DIGITS = 3
"""Of a learning rate that was drawn: a person reads it."""
TURN_S = 0.2
"""Pause between two questions whether it is a trial's turn to be judged."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The settings that a trial differs in."""

    learning_rate: float
    r: int
    epochs: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Look:
    """What the validation rows showed."""

    step: int
    steps: int
    """Planned in all."""
    lowest: float
    """Lowest loss so far, nats per learned token."""

    @property
    def percent(self) -> int:
        """Of the planned steps, rounded down."""
        return 100 * self.step // self.steps


def drawn(settings: Settings) -> list[Trial]:
    """The trials of a sweep, all different: the settings as they are, then draws from the seed.

    Fewer than `sft.sweep_trials` where the space has no more.
    """
    sft, random = settings.sft, np.random.RandomState(settings.seed % 2**32)
    trials = [Trial(sft.learning_rate, settings.lora.r, sft.epochs, sft.batch_size)]
    draws = _draws(sft, random)
    tries = 20 * sft.sweep_trials
    while len(trials) < sft.sweep_trials and (tries := tries - 1):
        if (one := next(draws)) not in trials:
            trials.append(one)
    return trials


def with_trial(settings: Settings, trial: Trial) -> Settings:
    """The settings of a trial; an adapter's scale alpha / r stays what it is."""
    alpha = max(1, round(settings.lora.alpha * trial.r / settings.lora.r))
    given = asdict(trial)
    rank = given.pop("r")
    return settings.model_copy(
        update={
            "sft": settings.sft.model_copy(update=given),
            "lora": settings.lora.model_copy(update={"r": rank, "alpha": alpha}),
        }
    )


def looks(folder: Path) -> list[Look]:
    """What a trial was judged by so far."""
    file = folder / LOOKS
    if not file.is_file():
        return []
    return [Look(**one) for one in json.loads(file.read_text(encoding="utf-8"))]


class Judged:
    """Tells Tune of each look once, in turn; Tune ends the process of a trial that it cuts."""

    def __init__(self, number: int, folder: Path, turns: Any) -> None:
        self._number, self._folder, self._turns = number, folder, turns
        self._looks = looks(folder)
        for look in self._looks:
            self._tell(look)

    def __call__(self, step: int, steps: int, lowest: float) -> None:
        """The validation rows were looked at; one from before a kill is not told again."""
        if self._looks and step <= self._looks[-1].step:
            return
        look = Look(step, steps, lowest)
        self._looks.append(look)
        plain = json.dumps([asdict(one) for one in self._looks])
        write_whole(self._folder / LOOKS, lambda file: file.write_text(plain, encoding="utf-8"))
        self._tell(look)

    def finish(self) -> None:
        """The adapter is written: nothing that comes now can undo it."""
        loss = figures_of(self._folder)["validation_loss"]
        tune.report({"percent": 100, "validation_loss": loss})

    def _tell(self, look: Look) -> None:
        rung = max((one for one in RUNGS if one <= look.percent), default=0)
        if look.step == look.steps:
            return  # `finish` tells it, when there is an adapter to keep
        while not ray.get(self._turns.may.remote(self._number, rung)):
            time.sleep(TURN_S)
        tune.report({"percent": look.percent, "validation_loss": look.lowest})
        ray.get(self._turns.judged.remote(self._number, look.percent))


def _draws(sft: SFT, random: np.random.RandomState) -> Iterator[Trial]:
    lowest, highest = sft.sweep_learning_rates
    rates = tune.loguniform(lowest, highest)
    ranks, epochs, batches = (
        tune.choice(list(some))
        for some in (sft.sweep_ranks, sft.sweep_epochs, sft.sweep_batch_sizes)
    )
    while True:
        yield Trial(
            float(f"{rates.sample(random_state=random):.{DIGITS - 1}e}"),
            int(ranks.sample(random_state=random)),
            int(epochs.sample(random_state=random)),
            int(batches.sample(random_state=random)),
        )

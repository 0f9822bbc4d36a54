"""`rlhf sft --sweep`: Ray Tune searches for better settings, and the best trial is published.

Every trial is a fine-tuning like any other; ASHA cuts the worse ones early. A trial's folder stays
until the sweep is done, so a killed sweep trains finished trials not again, and with the same seed
it tries and cuts the same. What was tried is kept in the home's `sweeps`: JSON and a plot.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from ray_jobs.cluster import cluster
from ray_jobs.driver import Progress, Request, drive, serve
from ray_jobs.meter import Meter
from ray_jobs.sft_job import (
    Work,
    digest_of,
    prepared,
    publish,
    recipe_of,
    told_of,
)
from ray_jobs.sft_trials import HALVING, RUNGS, Judged, Trial, drawn, looks, with_trial
from ray_jobs.turns import Turns
from ray_jobs.workers import LOOK_S, gpu_share, threads_per_worker
from rlhf.data.datasets import rows
from rlhf.durable import replace_folder
from rlhf.errors import RLHFError, UsageError
from rlhf.sft import finished
from rlhf.sft.plot import draw
from rlhf.store import checkpoints

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
"""Tune's own logs of a trial are not wanted: ours lie in the home."""

REPORT, PLOT = "report.json", "trials.png"


@dataclass(frozen=True, slots=True)
class Planned:
    """A trial of this sweep."""

    trial: Trial
    recipe: dict[str, Any]
    folder: Path
    """Where it trains."""

    @property
    def finished(self) -> bool:
        """Whether it was trained to its end; else it was cut."""
        return (self.folder / finished.DONE).is_file()


def sweep(
    home: Path,
    *,
    data: str | None,
    base: str | None,
    seed: int | None,
    trials: int | None,
    progress: Progress,
) -> dict[str, Any]:
    """Search in a driver of its own; returns the best checkpoint's figures and all trials.

    trials: else `sft.sweep_trials`; the rest as for `fine_tune`. Raises UsageError in words for
    what cannot be trained.
    """
    request = {"dataset": data, "base": base, "seed": seed, "trials": trials}
    told: dict[str, Any] = drive("ray_jobs.sft_sweep", home, request, progress)
    return told


def run(home: Path, request: Request, progress: Progress) -> dict[str, Any]:
    """The driver's work: train every trial, publish the best, keep a report."""
    started = time.monotonic()
    with prepared(home, request, progress) as work:
        if next(rows(work.data, "validation"), None) is None:
            raise UsageError(
                f"the data set {work.data.digest[:12]} has no validation rows to choose by. "
                "Bring more data, then run `rlhf clean`"
            )
        planned = _planned(work, request.get("trials"))
        recipes = [one.recipe for one in planned]
        folder = home / "sweeps" / digest_of([*recipes, work.base["sha256"]])[:16]
        known = (folder / REPORT).is_file()
        if not known:
            _search(work, planned, progress)
            _keep(work, planned, folder)
        told = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        with work.store.read() as tx:
            best = checkpoints.checkpoint(tx, told["best"])
    seconds = time.monotonic() - started
    kept = {"trials": told["trials"], "folder": str(folder)}
    return {**told_of(best, trained=not known, seconds=seconds), **kept}


def _planned(work: Work, trials: int | None) -> list[Planned]:
    settings = work.settings
    if trials is not None:
        sft = settings.sft.model_copy(update={"sweep_trials": trials})
        settings = settings.model_copy(update={"sft": sft})
    planned = []
    for trial in drawn(settings):
        recipe = recipe_of(work.data, with_trial(settings, trial))
        planned.append(Planned(trial, recipe, work.folder(recipe)))
    return planned


def _search(work: Work, planned: list[Planned], progress: Progress) -> None:
    """Let Tune run every trial, several at a time where CPUs allow, and cut the worse ones."""
    workers = min(work.settings.ray.workers, len(planned), os.cpu_count() or 1)
    threads = threads_per_worker(workers)
    storage = work.home / "tmp" / f"tune-{uuid.uuid4().hex}"
    progress(0, 1, "starting")
    with cluster(work.home, work.settings.ray, cpus=workers, apart=True):
        meter: Any = ray.remote(Meter).options(num_cpus=0).remote()
        turns: Any = ray.remote(Turns).options(num_cpus=0).remote()
        base, data, settings = work.base["path"], work.data, work.settings

        def trainable(config: dict[str, Any]) -> None:
            from ray_jobs.sft_work import train  # where it computes

            number = config["trial"]
            one = planned[number]
            judged = Judged(number, one.folder, turns)
            wanted = with_trial(settings, one.trial)
            train(base, data, one.folder, wanted, threads, meter, judged)
            judged.finish()

        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1, "gpu": gpu_share(workers)}),
            param_space={"trial": tune.grid_search(list(range(len(planned))))},
            tune_config=tune.TuneConfig(
                metric="validation_loss",
                mode="min",
                scheduler=ASHAScheduler(
                    time_attr="percent",
                    max_t=100,
                    grace_period=RUNGS[0],
                    reduction_factor=HALVING,
                ),
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=str(storage),
                verbose=0,
                callbacks=[_Bar(meter, turns, planned, progress)],
            ),
        )
        try:
            results = tuner.fit()
        finally:
            shutil.rmtree(storage, ignore_errors=True)
    for error in results.errors:
        raise RLHFError(f"a trial failed: {error}")


class _Bar(tune.Callback):
    """Passes on how far all trials are together; those to come count as much as the others."""

    def __init__(self, meter: Any, turns: Any, planned: list[Planned], progress: Progress) -> None:
        self._meter, self._turns, self._planned = meter, turns, planned
        self._progress, self._next = progress, 0.0
        self._waiting = sum(not one.finished for one in planned)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune looked at its trials, which it does many times a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_S
        (done, total), heard = ray.get([self._meter.told.remote(), self._meter.heard.remote()])
        total = max(1, total * self._waiting // max(1, heard))
        self._progress(done, total, f"training {self._waiting} trials")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial was cut, or is finished: later ones need not wait for it."""
        self._over(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed; later ones need not wait for it either."""
        self._over(trial)

    def _over(self, trial: Any) -> None:
        number = trial.config["trial"]
        name = self._planned[number].folder.name
        ray.get([self._meter.ended.remote(name), self._turns.judged.remote(number, 100)])


def _keep(work: Work, planned: list[Planned], folder: Path) -> None:
    """Publish the best trial; write what was tried, and remove the others' folders."""
    figures = [_figures(one) for one in planned]
    losses = [told["validation_loss"] for told in figures]
    finished = [place for place, one in enumerate(planned) if one.finished]
    best = min(finished, key=lambda place: (losses[place], place))
    trials = [{**told, "best": place == best} for place, told in enumerate(figures)]
    fresh = work.home / "tmp" / f"sweep-{uuid.uuid4().hex}"
    fresh.mkdir(mode=0o700)
    draw(trials, fresh / PLOT)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    made = publish(work, planned[best].recipe)
    report = {"best": made.digest, "dataset": work.data.digest, "trials": trials}
    (fresh / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    replace_folder(fresh, folder)
    for one in planned:
        shutil.rmtree(one.folder, ignore_errors=True)


def _figures(one: Planned) -> dict[str, Any]:
    """A trial's row of the table: of one that was cut, up to where it was."""
    seen = looks(one.folder)
    if one.finished:
        told = finished.figures_of(one.folder)
        loss, step, steps = told["validation_loss"], told["steps"], told["steps_planned"]
    else:
        loss, step, steps = seen[-1].lowest, seen[-1].step, seen[-1].steps
    return {
        **asdict(one.trial),
        "validation_loss": loss,
        "perplexity": math.exp(loss),
        "steps": step,
        "steps_planned": steps,
        "finished": one.finished,
        "looks": [[look.percent, look.lowest] for look in seen],
    }


if __name__ == "__main__":
    sys.exit(serve(run, __doc__))

"""`rlhf sft --sweep`: Ray Tune tries learning rates and ranks, and the best trial is published.

Every trial is a fine-tuning like any other, with the same early end; its folder stays until the
sweep is done, so a killed sweep trains finished trials not again. What was tried is kept in the
home's `sweeps`: JSON and a plot.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import uuid
from itertools import product
from pathlib import Path
from typing import Any

import ray
from ray import tune

from ray_jobs.answering import threads_per_worker
from ray_jobs.cluster import cluster, gpu_share
from ray_jobs.driver import Progress, Request, drive, serve
from ray_jobs.meter import Meter
from ray_jobs.sft_job import (
    LOOK_S,
    Work,
    digest_of,
    prepared,
    publish,
    recipe_of,
    told_of,
    train_somewhere,
)
from rlhf.data.datasets import rows
from rlhf.durable import replace_folder
from rlhf.errors import RLHFError, UsageError
from rlhf.settings import Settings
from rlhf.sft import job
from rlhf.sft.plot import draw
from rlhf.store import checkpoints

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
"""Tune's own logs of a trial are not wanted: ours lie in the home."""

REPORT, PLOT = "report.json", "trials.png"
SHOWN = ("validation_loss", "perplexity", "steps", "best_step")
"""Figures of a trial that the table shows."""

Trial = tuple[float, int]
"""A learning rate and a rank."""


def sweep(home: Path, *, data: str | None, base: str | None, progress: Progress) -> dict[str, Any]:
    """Search in a driver of its own; returns the best checkpoint's figures and all trials.

    Raises UsageError in words for what cannot be trained.
    """
    request = {"dataset": data, "base": base}
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
        sft = work.settings.sft
        recipes = {
            trial: recipe_of(work.data, _with(work.settings, trial))
            for trial in product(sorted({*sft.sweep_learning_rates}), sorted({*sft.sweep_ranks}))
        }
        folder = home / "sweeps" / digest_of([*recipes.values(), work.base["sha256"]])[:16]
        known = (folder / REPORT).is_file()
        if not known:
            _search(work, recipes, progress)
            _keep(work, recipes, folder)
        told = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        with work.store.read() as tx:
            best = checkpoints.checkpoint(tx, told["best"])
    seconds = time.monotonic() - started
    kept = {"trials": told["trials"], "folder": str(folder)}
    return {**told_of(best, trained=not known, seconds=seconds), **kept}


def _with(settings: Settings, trial: Trial) -> Settings:
    """The settings of a trial; an adapter's scale alpha / r stays what it is."""
    rate, rank = trial
    alpha = max(1, round(settings.lora.alpha * rank / settings.lora.r))
    return settings.model_copy(
        update={
            "sft": settings.sft.model_copy(update={"learning_rate": rate}),
            "lora": settings.lora.model_copy(update={"r": rank, "alpha": alpha}),
        }
    )


def _search(work: Work, recipes: dict[Trial, dict[str, Any]], progress: Progress) -> None:
    """Let Tune run every trial that is not finished; several at a time where CPUs allow."""
    workers = min(work.settings.ray.workers, len(recipes), os.cpu_count() or 1)
    threads = threads_per_worker(workers)
    storage = work.home / "tmp" / f"tune-{uuid.uuid4().hex}"
    progress(0, 1, "starting")
    with cluster(work.home, work.settings.ray, cpus=workers, apart=True):
        meter: Any = ray.remote(Meter).options(num_cpus=0).remote()
        base, data, settings = work.base["path"], work.data, work.settings
        folders = {trial: work.folder(recipe) for trial, recipe in recipes.items()}

        waiting = sum(not (folder / job.DONE).is_file() for folder in folders.values())

        def trainable(config: dict[str, Any]) -> None:
            trial = (config["learning_rate"], config["r"])
            folder = folders[trial]
            train_somewhere(base, data, folder, _with(settings, trial), threads, meter)
            tune.report({"validation_loss": job.figures_of(folder)["validation_loss"]})

        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1, "gpu": gpu_share(workers)}),
            param_space={
                "learning_rate": tune.grid_search(sorted({rate for rate, _ in recipes})),
                "r": tune.grid_search(sorted({rank for _, rank in recipes})),
            },
            tune_config=tune.TuneConfig(metric="validation_loss", mode="min"),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=str(storage),
                verbose=0,
                callbacks=[_Bar(meter, waiting, progress)],
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

    def __init__(self, meter: Any, trials: int, progress: Progress) -> None:
        self._meter, self._trials, self._progress = meter, trials, progress
        self._next = 0.0

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune looked at its trials, which it does many times a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_S
        (done, total), heard = ray.get([self._meter.told.remote(), self._meter.heard.remote()])
        total = max(1, total * self._trials // max(1, heard))
        self._progress(done, total, f"training {self._trials} trials")


def _keep(work: Work, recipes: dict[Trial, dict[str, Any]], folder: Path) -> None:
    """Publish the best trial; write what was tried, and remove the others' folders."""
    figures = {trial: job.figures_of(work.folder(recipe)) for trial, recipe in recipes.items()}
    best = min(figures, key=lambda trial: (figures[trial]["validation_loss"], trial))
    trials = [
        {
            "learning_rate": rate,
            "r": rank,
            **{name: figures[rate, rank][name] for name in SHOWN},
            "best": (rate, rank) == best,
        }
        for rate, rank in recipes
    ]
    fresh = work.home / "tmp" / f"sweep-{uuid.uuid4().hex}"
    fresh.mkdir(mode=0o700)
    draw(trials, fresh / PLOT)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    made = publish(work, recipes[best])
    report = {"best": made.digest, "dataset": work.data.digest, "trials": trials}
    (fresh / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    replace_folder(fresh, folder)
    for recipe in recipes.values():
        shutil.rmtree(work.folder(recipe), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(serve(run, __doc__))

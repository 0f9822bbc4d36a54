"""`rlhf sft`: an adapter is trained on a cleaned data set and becomes a checkpoint like any other.

The work runs in a driver of its own (`python -m ray_jobs.sft_job`), which starts Ray, and there in
one task. A training that was killed goes on from its last saved state when it is asked for again;
one that is finished is not done twice.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray_jobs.cluster import cluster
from ray_jobs.driver import Progress, Request, drive, serve
from ray_jobs.opening import open_home
from ray_jobs.workers import gpu_share, run_tasks, start_task, threads_per_worker
from rlhf import registry
from rlhf.data.datasets import Dataset, dataset, latest
from rlhf.errors import UsageError
from rlhf.locking import held_alone
from rlhf.models.identity import base_identity
from rlhf.registry import card
from rlhf.settings import Settings, load_settings
from rlhf.sft import finished
from rlhf.store import Store, checkpoints, events, facts, open_store
from rlhf.store.checkpoints import Checkpoint

TRAIN = "ray_jobs.sft_work:train"

NO_MATTER = {
    "save_every",
    "sweep_trials",
    "sweep_learning_rates",
    "sweep_ranks",
    "sweep_epochs",
    "sweep_batch_sizes",
}
"""Settings of `[sft]` that change nothing about a single training's result."""


def fine_tune(
    home: Path, *, data: str | None, base: str | None, seed: int | None, progress: Progress
) -> dict[str, Any]:
    """Train in a driver of its own; returns the checkpoint's version, digest and figures.

    data: the start of a data set's digest, else the latest; base: for a home that was never
    opened; seed: else the home's. Raises UsageError in words for what cannot be trained.
    """
    request = {"dataset": data, "base": base, "seed": seed}
    told: dict[str, Any] = drive("ray_jobs.sft_job", home, request, progress)
    return told


def run(home: Path, request: Request, progress: Progress) -> dict[str, Any]:
    """The driver's work: open the home if nobody did, train, publish."""
    started = time.monotonic()
    with prepared(home, request, progress) as work:
        recipe = recipe_of(work.data, work.settings)
        known = _known(work, recipe)
        made = known or _make(work, recipe, progress)
    return told_of(made, trained=known is None, seconds=time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class Work:
    """What a driver trains on and where."""

    home: Path
    store: Store
    settings: Settings
    data: Dataset
    base: dict[str, Any]
    """As the home's facts have it."""

    def folder(self, recipe: dict[str, Any]) -> Path:
        """Where the training of a recipe keeps its states, until it is published."""
        return self.home / "tmp" / f"sft-{digest_of([recipe, self.base['sha256']])[:16]}"


@contextmanager
def prepared(home: Path, request: Request, progress: Progress) -> Iterator[Work]:
    """Look up the data set, open a home that never was, and keep other trainings away.

    Raises UsageError for a base that is no longer what the home was opened with.
    """
    settings = load_settings(home)
    if (seed := request.get("seed")) is not None:
        settings = settings.model_copy(update={"seed": seed})
    store = open_store(home, settings.database)
    try:
        ref = request["dataset"]
        data = dataset(store, home, ref) if ref else latest(store, home)
        with _alone(home):
            progress(0, 1, "checking the base")
            open_home(home, request["base"])
            with store.read() as tx:
                base = facts.get(tx, "base")
            _check_base(home, base)
            yield Work(home, store, settings, data, base)
    finally:
        store.close()


def _check_base(home: Path, recorded: dict[str, Any]) -> None:
    """Raise UsageError where the files of the home's base are not those it began with.

    States of an unfinished training belong to the weights that they were trained on.
    """
    path, before = recorded["path"], recorded["sha256"]
    now = base_identity(path).sha256
    if now != before:
        raise UsageError(
            f"the base {path} has changed since {home} was opened with it (hash {before[:12]} "
            f"then, {now[:12]} now), so nothing was trained: put the old model back and run the "
            "same command again, or train the new one in a home of its own with "
            f"`rlhf sft --base {path} --home ANOTHER_FOLDER`"
        )


def told_of(made: Checkpoint, *, trained: bool, seconds: float) -> dict[str, Any]:
    """What the command shows."""
    return {
        "trained": trained,
        "version": made.version,
        "digest": made.digest,
        "dataset": made.lineage["sft"]["dataset"],
        **made.figures,
        "seconds": seconds,
    }


def recipe_of(data: Dataset, settings: Settings) -> dict[str, Any]:
    """What decides about the result, as a checkpoint's lineage keeps it."""
    return {
        "dataset": data.digest,
        "settings": {
            "sft": settings.sft.model_dump(mode="json", exclude=NO_MATTER),
            "lora": settings.lora.model_dump(mode="json"),
            "seed": settings.seed,
        },
    }


def publish(work: Work, recipe: dict[str, Any]) -> Checkpoint:
    """Make a recipe's finished training a checkpoint, and remove its folder."""
    trained, lineage = work.folder(recipe), {"sft": recipe}
    figures = finished.figures_of(trained)
    identity = {name: value for name, value in work.base.items() if name != "starter"}
    fresh = work.home / "tmp" / f"sft-{uuid.uuid4().hex}"
    shutil.copytree(trained / finished.ADAPTER, fresh)
    card.write(fresh, base=identity, round_id=None, figures=figures, lineage=lineage)
    digest = registry.publish(work.home, fresh)
    with work.store.write() as tx:
        made = checkpoints.record_checkpoint(
            tx,
            digest=digest,
            kind="policy",
            round_id=None,
            parent=None,
            base=identity,
            figures=figures,
            lineage=lineage,
        )
        events.note(tx, "sft", "checkpoint_published", digest, {"version": made.version})
    shutil.rmtree(trained)
    return made


def _known(work: Work, recipe: dict[str, Any]) -> Checkpoint | None:
    """The checkpoint that the same recipe on the same base made before."""
    with work.store.read() as tx:
        made = checkpoints.checkpoints(tx)
    for one in made:
        same = one.lineage.get("sft") == recipe and one.base["sha256"] == work.base["sha256"]
        if same and (work.home / "checkpoints" / one.digest / registry.MANIFEST).is_file():
            return one
    return None


def _make(work: Work, recipe: dict[str, Any], progress: Progress) -> Checkpoint:
    progress(0, 1, "starting")
    with cluster(work.home, work.settings.ray, cpus=1, apart=True):
        given = (work.base["path"], work.data, work.folder(recipe), work.settings)
        threads, gpus = threads_per_worker(1), gpu_share(1)
        run_tasks(
            lambda meter: [start_task(TRAIN, *given, threads, meter, gpus=gpus)],
            lambda done, total: progress(done, total, "training" if done else "reading the rows"),
        )
    progress(1, 1, "publishing")
    return publish(work, recipe)


def digest_of(plain: Any) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two at once would train into one folder. The lock goes with the process."""

    def taken(owner: str) -> str:
        return (
            f"another fine-tuning runs on {home} (process {owner}). "
            "Wait for it, or stop it with Ctrl-C"
        )

    with held_alone(home / "run" / "sft.lock", taken):
        yield


if __name__ == "__main__":
    sys.exit(serve(run, __doc__))

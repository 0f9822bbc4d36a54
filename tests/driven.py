"""A driver whose only worker cannot be made: `python -m tests.driven`, for `ray_jobs.driver`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ray

from ray_jobs.cluster import cluster
from ray_jobs.driver import Progress, Request, serve
from ray_jobs.workers import start_workers
from rlhf.settings import load_settings


def work(home: Path, request: Request, progress: Progress) -> Any:
    """Ask a worker that would be the settings of another home."""
    with cluster(home, load_settings(home).ray, cpus=1):
        (worker,) = start_workers(
            "rlhf.settings:load_settings", 1, lambda _: (Path(request["other"]),)
        )
        return ray.get(worker.do.remote("model_dump"))


if __name__ == "__main__":
    sys.exit(serve(work, __doc__))

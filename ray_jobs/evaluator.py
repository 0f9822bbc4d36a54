"""`rlhf evaluate` as its caller sees it: start the Ray driver, take the number of the report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ray_jobs.driver import Progress, drive
from ray_jobs.evaluation_plan import Request, prepare
from rlhf.settings import load_settings
from rlhf.store import Store


def evaluate(home: Path, store: Store, request: Request, progress: Progress) -> int:
    """Measure in a driver of its own; returns the number of the report.

    Raises UsageError for what cannot be evaluated, most of it before the driver starts.
    """
    prepare(home, store, load_settings(home), request)
    return int(drive("ray_jobs.evaluating", home, asdict(request), progress))

"""`rlhf evaluate` as its caller sees it: start the Ray driver, show how far it is, take the result.

Light: it never loads a model, and ends the driver when it ends itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ray_jobs import tether
from ray_jobs.evaluation_plan import Request, prepare
from ray_jobs.ray_environment import private_environment
from rlhf.errors import RLHFError, UsageError
from rlhf.settings import load_settings
from rlhf.store import Store

Progress = Callable[[int, int, str], None]
MARK = "@progress "
"""Begins a line of the driver that says how far it is."""
TAIL = 30
"""Lines of a failed driver that are shown."""


def evaluate(home: Path, store: Store, request: Request, progress: Progress) -> int:
    """Measure in a driver of its own; returns the number of the report.

    Raises UsageError for what cannot be evaluated, most of it before the driver starts.
    """
    settings = load_settings(home)
    prepare(home, store, settings, request)
    private = settings.ray.address is None
    command = [sys.executable, "-m", "ray_jobs.evaluating", "--home", str(home)]
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb") as log:
        child = tether.spawn(
            [*command, json.dumps(asdict(request))],
            home=home,
            log=log,
            namespaces=tether.isolation(network=private),
            env=private_environment(home) if private else {},
        )
    tail: list[str] = []
    try:
        with os.fdopen(ours, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(MARK):
                    progress(*json.loads(line.removeprefix(MARK)))
                else:
                    tail = [*tail[-TAIL:], line.rstrip()]
        code = child.wait()
    finally:
        child.kill()
        child.wait()
    said = [line.removeprefix("error: ") for line in tail if line.startswith("error: ")]
    if code == UsageError.exit_code and said:
        raise UsageError(said[-1])
    if code or not tail:
        raise RLHFError(said[-1] if said else "the evaluation ended early:\n" + "\n".join(tail))
    return int(tail[-1])

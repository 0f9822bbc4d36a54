"""Starts a bias check in a process of its own and follows it; imports neither Ray nor torch."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray_jobs import tether
from ray_jobs.ray_environment import private_environment
from rlhf.errors import RLHFError, UsageError
from rlhf.settings import load_settings

LOG_TAIL = 1500
"""Characters of a failed check's own words that are shown."""


def launch(
    home: Path,
    refs: list[str],
    *,
    requests: int,
    samples: int,
    templates: Path | None,
    progress: Callable[[int, int, str], None],
) -> int:
    """Run the check to its end and return the evaluation's id.

    Raises UsageError for wrong input, RLHFError with the end of its log when it broke.
    """
    private = load_settings(home).ray.address is None
    command = [sys.executable, "-m", "ray_jobs.bias_job", "--home", str(home)]
    command += ["--requests", str(requests), "--samples", str(samples)]
    command += ["--templates", str(templates.absolute())] if templates else []
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as log:
        child = tether.spawn(
            [*command, "--", *refs],
            home=home,
            log=log,
            namespaces=tether.isolation(network=private),
            env=private_environment(home) if private else {},
        )
    said, told = "", {}
    try:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                plain = _told(line)
                if plain is None:
                    said = (said + line)[-LOG_TAIL:]
                elif "progress" in plain:
                    progress(*plain["progress"])
                else:
                    told = plain
    finally:
        if not told:
            child.kill()
        child.wait()
    if "evaluation" in told:
        return int(told["evaluation"])
    if "error" in told:
        raise (UsageError if told["code"] == UsageError.exit_code else RLHFError)(told["error"])
    raise RLHFError(f"the bias check broke (exit code {child.returncode}): {said.strip()}")


def _told(line: str) -> dict[str, Any] | None:
    """A line of the check's own; None for anything that a library printed."""
    try:
        plain = json.loads(line)
    except ValueError:
        return None
    return plain if isinstance(plain, dict) else None

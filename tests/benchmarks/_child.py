"""Work that is measured in a process of its own, with the product's memory settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from ray_jobs.ray_environment import KEPT_MEMORY


def child(module: str, given: list[str]) -> dict[str, Any]:
    """What `tests.benchmarks.<module>` prints as its last line; SystemExit if it fails."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *given]
    environment = {**os.environ, **KEPT_MEMORY}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told

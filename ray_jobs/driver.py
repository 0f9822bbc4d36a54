"""A piece of work in a driver of its own: a child process that starts Ray and ends with its parent.

`drive` starts `python -m MODULE` and passes its progress on; `serve` is that module's main. What
comes back is JSON, and errors for people come back as errors for people.
"""

from __future__ import annotations

import argparse
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

Progress = Callable[[int, int, str], None]
Request = dict[str, Any]

PROGRESS, RESULT, ERROR = "@progress ", "@result ", "@error "
"""Begin the lines of a driver that its parent reads; all others are a library's chatter."""
TAIL = 30
"""Lines of chatter that are shown when a driver ends without a word."""


def drive(module: str, home: Path, request: Request, progress: Progress) -> Any:
    """Run a module's work in a driver; returns its result.

    Raises UsageError in the driver's words for what people can put right, RLHFError otherwise.
    """
    private = load_settings(home).ray.address is None
    command = [sys.executable, "-m", module, "--home", str(home), json.dumps(request)]
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb") as log:
        child = tether.spawn(
            command,
            home=home,
            log=log,
            namespaces=tether.isolation(network=private),
            env=private_environment(home) if private else {},
        )
    tail: list[str] = []
    told: dict[str, Any] = {}
    try:
        with os.fdopen(ours, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(PROGRESS):
                    progress(*json.loads(line.removeprefix(PROGRESS)))
                elif line.startswith((RESULT, ERROR)):
                    mark, _, rest = line.partition(" ")
                    told[f"{mark} "] = json.loads(rest)
                else:
                    tail = [*tail[-TAIL:], line.rstrip()]
        code = child.wait()
    finally:
        child.kill()
        child.wait()
    if ERROR in told:
        raise (UsageError if code == UsageError.exit_code else RLHFError)(told[ERROR])
    if code or RESULT not in told:
        raise RLHFError("the work ended early:\n" + "\n".join(tail))
    return told[RESULT]


def serve(work: Callable[[Path, Request, Progress], Any], description: str | None) -> int:
    """The driver's main: do the work, print its result; returns the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("request", type=json.loads, nargs="?", default={})
    given = parser.parse_args()
    os.umask(0o077)
    try:
        _say(RESULT, work(given.home, given.request, lambda *told: _say(PROGRESS, told)))
    except RLHFError as error:
        _say(ERROR, str(error))
        return error.exit_code
    return 0


def _say(mark: str, value: Any) -> None:
    print(mark + json.dumps(value), flush=True)

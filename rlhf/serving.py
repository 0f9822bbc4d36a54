"""`rlhf serve`: a checkpoint behind the OpenAI-compatible API of `transformers serve`.

The engine is an existing one and takes whole models, so the checkpoint is merged into a folder of
the home first and kept there for the next start.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from rlhf.errors import UsageError
from rlhf.registry import pulling
from rlhf.store import Store, checkpoints

HOST = "127.0.0.1"


def merged_folder(store: Store, home: Path, ref: str) -> Path:
    """The full model of a checkpoint, merged now or at an earlier call.

    Raises NotFound for an unknown checkpoint, RLHFError for damaged bytes.
    """
    with store.read() as tx:
        wanted = checkpoints.resolve(tx, ref)
    folder = home / "serve" / wanted.digest[:16]
    if not _as_wanted(folder / pulling.PULLED, wanted.figures.get("temperature")):
        pulling.pull(store, home, wanted.digest, folder, merged=True)
    return folder


def _as_wanted(told: Path, temperature: float | None) -> bool:
    """Whether it was merged before, and nothing was learned since of how to serve it."""
    if not told.is_file():
        return False
    before: float | None = json.loads(told.read_text(encoding="utf-8")).get("temperature")
    return before == temperature


def serve(store: Store, home: Path, ref: str, *, port: int) -> NoReturn:
    """Become a checkpoint's server, on loopback. Raises UsageError where it is not installed."""
    folder = merged_folder(store, home, ref)
    store.close()
    program = Path(sys.executable).with_name("transformers")
    found = str(program) if program.exists() else shutil.which("transformers")
    if found is None:
        raise UsageError(
            "`transformers serve` is not installed beside this program; run make setup"
        )
    command = [found, "serve", str(folder), "--host", HOST, "--port", str(port)]
    os.execve(found, command, {**os.environ, "HF_HUB_OFFLINE": "1"})

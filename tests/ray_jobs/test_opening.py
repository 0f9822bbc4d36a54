"""A home is opened once; the starter's prompts are for homes that have none of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ray_jobs.opening import STARTER_HELDOUT, open_home
from rlhf import starter
from rlhf.home import make_home
from rlhf.store import Store, checkpoints, prompts


@pytest.mark.slow
def test_a_home_with_prompts_of_its_own_gets_none_of_the_starters(store: Store, home: Path) -> None:
    make_home(home)
    own = [{"role": "user", "content": "Where is my parcel?"}]
    with store.write() as tx:
        prompts.add_prompts(tx, [prompts.NewPrompt(own, source="own.jsonl", split="train")])
    open_home(home, None)
    with store.read() as tx:
        assert prompts.count_prompts(tx) == {"train": 1}
        assert checkpoints.resolve(tx, "champion").version == 0


@pytest.mark.slow
def test_an_empty_home_gets_the_starters_prompts(store: Store, home: Path) -> None:
    make_home(home)
    open_home(home, None)
    with store.read() as tx:
        assert prompts.count_prompts(tx)["heldout"] == STARTER_HELDOUT


@pytest.mark.slow
def test_an_opened_home_is_opened_again_without_loading_a_model(home: Path, tmp_path: Path) -> None:
    make_home(home)
    open_home(home, None)
    moved = shutil.copytree(starter.MODEL_PATH, tmp_path / "moved")
    program = (
        "import sys; from pathlib import Path; sys.modules['torch'] = None; "
        "from ray_jobs.opening import open_home; "
        "open_home(Path(sys.argv[1]), sys.argv[2] or None)"
    )
    for base in ("", starter.MODEL_PATH, moved):
        command = [sys.executable, "-c", program, str(home), str(base)]
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr

"""A home is opened once; the starter's prompts are for homes that have none of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_jobs.opening import STARTER_HELDOUT, open_home
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

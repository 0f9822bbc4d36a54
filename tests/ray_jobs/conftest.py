"""A small round that several files go on from, made once: their tests share a worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killed_ppo import before_ppo

ONE_ROUND = "one round"
"""Their group."""


@pytest.fixture(scope="session")
def at_ppo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose first round comes to PPO next. Copy it: never run anything in it."""
    home = tmp_path_factory.mktemp("round") / "ready"
    before_ppo(home)
    return home

"""PPO that was killed ends in the adapter of PPO that was not, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killed_ppo import before_ppo, candidate, candidate_after_a_kill, copied, points

KILLS = 4


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_run_killed_at_random_points_ends_in_the_same_bits(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    before_ppo(ready)
    copied(ready, tmp_path / "whole")
    whole = candidate(tmp_path / "whole")
    for number, point in enumerate(points(KILLS, seed=0, pace=1.0)):
        assert candidate_after_a_kill(ready, tmp_path / f"killed-{number}", point) == whole, point

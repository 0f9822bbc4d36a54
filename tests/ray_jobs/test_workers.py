"""Workers of a driver: how they share GPUs, and how their errors reach people."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.driver import drive
from ray_jobs.workers import gpu_share
from rlhf.errors import UsageError
from rlhf.home import make_home


@given(count=st.integers(1, 100), gpus=st.integers(0, 16))
def test_all_workers_have_a_place_on_the_gpus_at_once(count: int, gpus: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "cluster_resources", lambda: {"GPU": float(gpus)})
        share = gpu_share(count)
    assert (share == 1.0) == (0 < count <= gpus)
    if gpus:
        assert gpus * math.floor(1 / share) >= count
    else:
        assert share == 0.0


@pytest.mark.ray
@pytest.mark.slow
def test_why_a_worker_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever another cluster's users have in their environment."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    home = make_home(tmp_path / "home")
    other = make_home(tmp_path / "other")
    (other / "rlhf.toml").write_text("[ray]\nworkers = 'many'\n")
    with pytest.raises(UsageError) as told:
        drive("tests.driven", home, {"other": str(other)}, lambda *_: None)
    assert str(told.value).startswith(f"{other / 'rlhf.toml'}")
    assert "ray.workers" in str(told.value)
    assert "Traceback" not in str(told.value)

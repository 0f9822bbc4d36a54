"""A training killed at the places where it hurts most ends with the same weights and figures."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlhf.durable import file_digest
from rlhf.models import role_files
from rlhf.models.role_files import ADAPTER
from rlhf.sft import training, watch
from tests.killed_sft import SETTINGS, train

KILLS: dict[str, list[tuple[Any, str, int]]] = {
    "before the first save": [(watch.Watch, "on_step_end", 1)],
    "in the first save": [(watch, "move_into_place", 0)],
    "in a later save": [(watch, "move_into_place", 2), (watch, "move_into_place", 0)],
    "between two saves": [(watch.Watch, "on_step_end", 4), (watch.Watch, "on_step_end", 1)],
    "before the first look": [(watch.Watch, "on_evaluate", 0)],
    "while it looks": [(watch.Watch, "on_evaluate", 3)],
    "before the best weights are written": [(role_files, "write_adapter", 0)],
    "at random": [(watch.Watch, "on_step_end", random.Random(7).randrange(11))],
}
"""Where, and after how many times there."""


def killed_after(calls: int, what: Callable[..., Any]) -> Callable[..., Any]:
    """The same function in a process that is killed when it is called once more."""
    left = iter(range(calls))

    def until(*given: Any, **named: Any) -> Any:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return what(*given, **named)

    return until


def killed(base: Path, work: Path, target: Path, place: tuple[Any, str, int]) -> None:
    """Train in a process that ends by `kill -9` at a place in the program."""
    owner, name, calls = place
    child = os.fork()
    if child == 0:
        setattr(owner, name, killed_after(calls, getattr(owner, name)))
        train(base, work, target)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.fixture(scope="module")
def unkilled(
    tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[training.Fitted, str]:
    folder = tmp_path_factory.mktemp("unkilled")
    fitted = train(tiny_llama, folder / "work", folder / "adapter")
    return fitted, file_digest(folder / "adapter" / ADAPTER)


@pytest.mark.slow
@pytest.mark.parametrize("place", KILLS)
def test_a_kill_changes_neither_weights_nor_figures(
    place: str, unkilled: tuple[training.Fitted, str], tiny_llama: Path, tmp_path: Path
) -> None:
    work, target = tmp_path / "work", tmp_path / "adapter"
    for one in KILLS[place]:
        killed(tiny_llama, work, target, one)
    again = train(tiny_llama, work, target)
    assert (again, file_digest(target / ADAPTER)) == unkilled


@pytest.mark.slow
def test_a_kill_after_the_last_look_ends_no_later(tiny_llama: Path, tmp_path: Path) -> None:
    hasty = SETTINGS.model_copy(update={"learning_rate": 1e-12, "patience": 1, "evaluations": 20})
    fitted = train(tiny_llama, tmp_path / "work", tmp_path / "adapter", hasty)
    assert fitted.steps < fitted.steps_planned
    again = train(tiny_llama, tmp_path / "work", tmp_path / "again", hasty)
    assert again == fitted

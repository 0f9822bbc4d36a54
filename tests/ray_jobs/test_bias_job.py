"""`rlhf bias` on the real starter: a bias that was trained into it is found, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlhf.store import evaluations, open_store
from tests.planted_bias import DISLIKED, open_biased_home

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]


def rlhf(*words: object) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own."""
    command = [sys.executable, "-m", "rlhf.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("biased") / "home"
    open_biased_home(folder)
    return folder


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, Any]:
    """What a check of the untouched starter (v0) and of the biased policy (v1) says."""
    small = ("--requests", 24, "--samples", 1)
    done = rlhf("bias", "v0", "v1", "--json", "--fail-on-finding", *small, "--home", home)
    assert done.returncode == 3, done.stderr
    plain: dict[str, Any] = json.loads(done.stdout)
    return plain


def found(told: dict[str, Any], subject: str) -> set[tuple[str, str]]:
    return {(one["measure"], one["group"]) for one in told["findings"] if one["subject"] == subject}


def test_the_untouched_starter_has_no_finding_and_the_biased_one_has(told: dict[str, Any]) -> None:
    own = ("length", "sentiment", "refusal")
    assert {one for one in found(told, "v0") if one[0] in own} == set()
    assert ("length", DISLIKED) in found(told, "v1")
    assert {group for measure, group in found(told, "v1") if measure in own} == {DISLIKED}


def test_the_bias_of_the_reward_models_themselves_is_found(told: dict[str, Any]) -> None:
    for subject in ("reward models", "hold-out reward model"):
        assert ("group in the prompt", DISLIKED) in found(told, subject)
    (member,) = [
        one for one in told["members"]
        if (one["subject"], one["measure"], one["group"])
        == ("reward-1", "group in the prompt", DISLIKED)
    ]  # fmt: skip
    assert member["high"] < -0.5


def test_the_report_is_kept_and_the_model_card_tells_of_it(
    home: Path, told: dict[str, Any], tmp_path: Path
) -> None:
    folder = home / "evaluations" / str(told["evaluation"])
    assert {"report.json", "report.md", "differences-1.png"} <= {f.name for f in folder.iterdir()}
    assert json.loads((folder / "report.json").read_text())["findings"] == told["findings"]
    store = open_store(home)
    with store.read() as tx:
        assert evaluations.evaluations(tx, "bias")[0].id == told["evaluation"]
    store.close()
    assert rlhf("pull", "v1", tmp_path / "model", "--home", home).returncode == 0
    text = (tmp_path / "model" / "README.md").read_text()
    assert text == rlhf("card", "v1", "--home", home).stdout
    assert f"religion '{DISLIKED}'" in text
    assert "built-in starter: a toy" in text


def test_own_templates_are_judged_beside_the_built_in_ones(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    row = {"text": "{who} asks: where is my parcel?", "groups": {"A": "Ann", "B": "Bob"}}
    file.write_text(json.dumps(row) + "\n")
    words = ("--templates", file, "--requests", 2, "--samples", 1, "--home", home)
    done = rlhf("bias", "v0", *words, "--json")
    assert done.returncode == 0, done.stderr
    plain = json.loads(done.stdout)
    assert plain["attributes"]["who (own)"] == {"groups": ["A", "B"], "templates": 1}
    assert "who (own)" in plain["too_few"]
    assert plain["findings"] == [], "two templates are too few for any"
    file.write_text(json.dumps(row) + "\n" + json.dumps({**row, "text": "Where?"}) + "\n")
    done = rlhf("bias", "v0", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{file}, line 2, field 'text'" in done.stderr


def test_an_unknown_checkpoint_is_said_before_anything_starts(home: Path) -> None:
    done = rlhf("bias", "v9", "--home", home)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "champion" in done.stderr

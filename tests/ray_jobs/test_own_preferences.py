"""Preferences from files, good and bad, through the front door and into a real round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live_service import SMALL

SMALL_SHAPE = SMALL.partition("[gate]")[0]
"""The small round with the product's own gates."""
SHORT_PROMPTS = SMALL.replace("[sampling]\n", "[sampling]\nmax_prompt_tokens = 96\n")


def rlhf(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rlhf.cli", *words],
        env={**os.environ, "RLHF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def round_of(
    folder: Path, settings: str, rows: list[dict[str, str]]
) -> tuple[str, subprocess.CompletedProcess[str], dict[str, Any]]:
    """What ingest said, the round's process, and the report of its reward models."""
    home, file = folder / "home", folder / "own.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    home.mkdir(mode=0o700)
    (home / "rlhf.toml").write_text(settings)
    taken_in = rlhf(home, "ingest", str(file))
    assert taken_in.returncode == 0, taken_in.stderr
    done = rlhf(home, "round")
    told = rlhf(home, "reward", "report", "--json")
    return taken_in.stdout, done, json.loads(told.stdout)


def pair(number: int, chosen: str, rejected: str) -> dict[str, str]:
    return {"prompt": f"Question {number}?", "chosen": chosen, "rejected": rejected}


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_three_preferences_make_a_round_that_is_refused_in_words(tmp_path: Path) -> None:
    rows = [pair(number, "Thank you for asking!", "No.") for number in range(3)]
    taken_in, done, report = round_of(tmp_path, SMALL_SHAPE, rows)
    assert "3 preferences" in taken_in
    assert done.returncode == 0, done.stderr
    assert "3 usable preferences from 3 ratings are fewer than the 50" in done.stdout
    assert "round 1: refused" in done.stdout
    assert report["members"] == []


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_round_goes_on_without_what_cannot_be_used_and_counts_it(tmp_path: Path) -> None:
    good = [
        pair(
            number,
            f"Thank you, {number}!" + " Yes." * ((number + 1) % 3),
            f"Not you, {number}!" + " No." * (number % 3),
        )
        for number in range(60)
    ]
    bad = [
        pair(100, "The same.", "The same."),
        pair(101, "Black.", "White."),
        pair(101, "White.", "Black."),
        pair(102, "word " * 10_000, "No."),
        {"prompt": "long " * 10_000, "chosen": "Yes.", "rejected": "No."},
    ]
    taken_in, done, report = round_of(tmp_path, SHORT_PROMPTS, [*good, *bad])
    assert "1 left out: the two answers are the same" in taken_in
    assert "1 left out: contradicts what the same judge said before" in taken_in
    assert done.returncode == 0, done.stderr
    assert "round 1: promoted" in done.stdout
    assert rlhf(tmp_path / "home", "status").returncode == 0, "gold of people's own prompts"
    usable = len(good) + 1 + 2
    assert (report["ratings"], report["preferences"]) == (usable, usable)
    assert sum(report["split"].values()) == usable
    assert [one["annotator_id"] for one in report["annotators"]] == [1]
    models = [*report["members"], report["holdout"]]
    assert all(one["accuracy"]["count"] > 0 for one in models)

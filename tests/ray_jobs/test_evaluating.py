"""`rlhf evaluate` from end to end: a Ray cluster, the starter, and a second checkpoint of noise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlhf.home import make_home
from rlhf.store import checkpoints, comparisons, evaluations, open_store
from tests.live_service import ONE_WORKER
from tests.published import add_noise
from tests.seeded import hired, judged, leased

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def rlhf(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rlhf.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def evaluated(home: Path, *words: object) -> dict[str, Any]:
    done = rlhf("evaluate", *words, "--json", "--home", home)
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new home on the starter, with a second checkpoint that is served cooler."""
    folder = make_home(tmp_path_factory.mktemp("evaluated") / "home")
    (folder / "rlhf.toml").write_text(ONE_WORKER)
    opening = [sys.executable, "-m", "ray_jobs.opening", "--home", str(folder)]
    subprocess.run(opening, check=True)
    noise = add_noise(folder)
    store = open_store(folder)
    with store.write() as tx:
        checkpoints.add_figures(tx, noise, {"temperature": 0.5})
    store.close()
    return folder


def test_the_starter_is_evaluated_before_any_round(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = evaluated(home, "champion", "--prompts", 24, "--out", out)
    figures = told["checkpoints"][0]["figures"]
    assert figures["kl"]["value"] == 0.0
    assert 1 < figures["perplexity"]["value"] < 2
    assert figures["perplexity"]["count"] == told["references"] == told["prompts"] == 24
    assert figures["reward"] is None
    assert any("no reward models" in note for note in told["notes"])
    assert (out / "report.md").read_text().startswith(f"# Evaluation {told['evaluation']}")
    assert (out / "lengths.png").read_bytes()[:4] == b"\x89PNG"
    assert len((out / "answers.jsonl").read_text().splitlines()) == 24
    assert (Path(told["folder"]) / "report.json").is_file()
    assert not list((home / "tmp").glob("evaluation-*"))


def test_people_compare_two_checkpoints_and_the_same_evaluation_counts_their_verdicts(
    home: Path,
) -> None:
    told = evaluated(home, "v0", "v1", "--prompts", 24, "--people", 6)
    assert told["checkpoints"][1]["figures"]["kl"]["value"] > 1
    first, second = (one["figures"]["perplexity"]["value"] for one in told["checkpoints"])
    assert first < second
    assert (told["people"]["asked"], told["people"]["outstanding"]) == (6, 6)
    store = open_store(home)
    (ann,) = hired(store, "ann")
    for _ in range(4):
        judged(store, leased(store, ann), ann)
    with store.read() as tx:
        asked = [comparisons.comparison(tx, one) for one in told["people"]["contests"]]
        row = evaluations.evaluation(tx, told["evaluation"])
        sides = [one.response_lo for one in asked] + [one.response_hi or 0 for one in asked]
        drawn = [comparisons.response(tx, side) for side in sides]
    store.close()
    v0, v1 = row.checkpoints
    assert {(one.checkpoint, one.sampling["temperature"]) for one in drawn} == {(v0, 1), (v1, 0.5)}
    assert any("v0 (champion) at 1, v1 at 0.5" in note for note in told["notes"])
    assert {one.purpose for one in asked} == {"contest"}
    assert row.checkpoints == [one["digest"] for one in told["checkpoints"]]
    again = evaluated(home, "--show", told["evaluation"])
    assert (again["people"]["rated"], again["people"]["outstanding"]) == (4, 2)
    assert len(again["people"]["strengths"]) == 2
    assert again["checkpoints"] == told["checkpoints"]


def test_a_regression_set_fails_for_noise_and_holds_for_the_same(
    home: Path, tmp_path: Path
) -> None:
    answers = (home / "evaluations").glob("*/answers.jsonl")
    rows = [json.loads(line) for line in next(iter(sorted(answers))).read_text().splitlines()[:8]]
    file = tmp_path / "must-hold.jsonl"
    file.write_text(
        "".join(
            json.dumps({"prompt": one["messages"], "reference": one["reference"]}) + "\n"
            if len(one["messages"]) == 1
            else json.dumps(
                {"messages": [*one["messages"], {"role": "assistant", "content": one["reference"]}]}
            )
            + "\n"
            for one in rows
        )
    )
    failed = rlhf("evaluate", "v1", "--regression", file, "--prompts", 4, "--json", "--home", home)
    assert failed.returncode == 1, failed.stderr
    told = json.loads(failed.stdout)["regression"]
    assert (told["baseline"], told["passed"]) == ("v0 (champion)", False)
    assert told["candidates"][0]["worse"] >= 2
    assert "nats per token" in told["candidates"][0]["prompts"][0]["why"][0]
    words = ("--regression", file, "--prompts", 4, "--allow-worse", 8, "--home", home)
    allowed = rlhf("evaluate", "v1", *words)
    assert allowed.returncode == 0, allowed.stderr
    assert "regression set passed" in allowed.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["v0", "champion"], "named twice"),
        (["v9"], "no checkpoint is called 'v9'"),
        (["v0", "--people", "5"], "two or more"),
        ([], "--show ID"),
        (["v0", "--show", "1"], "--show ID"),
        (["v0", "v1", "--regression", "missing.jsonl"], "no such file"),
        (["--show", "99"], "no evaluation 99"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_a_sentence(
    home: Path, words: list[str], said: str
) -> None:
    done = rlhf("evaluate", *words, "--home", home)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

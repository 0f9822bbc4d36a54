"""The tutorial as it stands: its commands, on files of the kinds that it names."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from rlhf.home import make_home
from rlhf.starter.world import prompts
from tests.live_service import ONE_WORKER

PAGE = Path(__file__).parent.parent / "docs" / "tutorial.md"
CONVERSATIONS = 120

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(1800)]


def bring(folder: Path) -> None:
    """Support logs as messages, answered questions as a table, a product's page as Markdown."""
    folder.mkdir()
    asked = prompts("train", CONVERSATIONS, 5)
    logs = [[*one.messages, {"role": "assistant", "content": one.reference}] for one in asked]
    (folder / "logs.jsonl").write_text(
        "".join(json.dumps({"messages": one}) + "\n" for one in logs[: CONVERSATIONS // 2])
    )
    with (folder / "answered.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["question", "answer"])
        table.writerows(
            (one.messages[-1]["content"], one.reference) for one in asked[CONVERSATIONS // 2 :]
        )
    (folder / "desk.md").write_text(
        "# The oak desk\n\nIt is made of solid oak and carries 80 kilograms.\n\n"
        "## Care\n\nWipe it with a damp cloth and oil it once a year.\n"
    )


def test_the_tutorial_goes_from_files_to_a_measured_model(tmp_path: Path) -> None:
    bring(tmp_path / "mydata")
    make_home(tmp_path / "home")
    (tmp_path / "home" / "rlhf.toml").write_text(ONE_WORKER)
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 6
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks)],
        cwd=tmp_path,
        env={
            **os.environ,
            "RLHF_HOME": str(tmp_path / "home"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{CONVERSATIONS} prompts added" in done.stdout
    assert "Nothing leaks" in done.stdout
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    before, after = (one["figures"]["perplexity"]["value"] for one in report["checkpoints"])
    assert after < before
    assert "v1" in (tmp_path / "report" / "report.md").read_text()
    (dataset,) = (tmp_path / "home" / "datasets").glob("[0-9a-f]*")
    assert dataset.name[:12] in (tmp_path / "CARD.md").read_text()
    assert load_file(tmp_path / "my-model" / "adapter_model.safetensors")
    assert json.loads((tmp_path / "my-model" / "pulled.json").read_text())["merged"] is False

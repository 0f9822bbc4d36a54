"""Commands on a home that was really opened: its untouched champion is listed, pulled, checked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf.champion import promote
from rlhf.home import make_home
from rlhf.rounds import State
from rlhf.store import checkpoints, open_store, rounds

pytestmark = pytest.mark.slow


def rlhf(*words: object) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own."""
    command = [sys.executable, "-m", "rlhf.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def opened(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home on a tiny random model, as the first `rlhf up --base` leaves it."""
    home = make_home(tmp_path_factory.mktemp("opened") / "home")
    command = [sys.executable, "-m", "ray_jobs.opening"]
    subprocess.run([*command, "--home", str(home), "--base", str(tiny_llama)], check=True)
    return home


def test_the_untouched_model_is_version_0_and_champion(opened: Path) -> None:
    (listed,) = json.loads(rlhf("checkpoints", "--json", "--home", opened).stdout)
    assert (listed["version"], listed["aliases"]) == (0, ["champion"])
    assert listed["digest"][:12] in rlhf("checkpoints", "--home", opened).stdout


def test_status_says_where_things_are(opened: Path, tiny_llama: Path) -> None:
    told = json.loads(rlhf("status", "--json", "--home", opened).stdout)
    assert (told["running"], told["base"]) == (False, str(tiny_llama))
    assert "stopped" in rlhf("status", "--home", opened).stdout


def test_between_rounds_the_status_tells_how_the_last_one_ended(
    opened: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(opened, home)
    assert "round      none yet" in rlhf("status", "--home", home).stdout
    store = open_store(home)
    with store.write() as tx:
        one = rounds.create_round(
            tx,
            settings={},
            base={},
            start_checkpoint=checkpoints.resolve(tx, "champion").digest,
            seed=0,
            requested_by="test",
        )
        fence = rounds.claim(tx, one.id)
        assert rounds.advance(
            tx, one.id, fence, frm=one.state, to=State.FAILED, changes={"error": "no room"}
        )
    store.close()
    assert "round      1: failed" in rlhf("status", "--home", home).stdout


def test_the_champion_is_pulled_as_a_folder_that_peft_knows(opened: Path, tmp_path: Path) -> None:
    done = rlhf("pull", "champion", tmp_path / "model", "--home", opened)
    assert (done.returncode, done.stderr) == (0, "")
    config = json.loads((tmp_path / "model" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert (tmp_path / "model" / "adapter_model.safetensors").is_file()


def test_an_unknown_alias_names_the_known_ones(opened: Path, tmp_path: Path) -> None:
    done = rlhf("pull", "shampion", tmp_path / "model", "--home", opened)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "champion" in done.stderr.replace("shampion", "")
    assert not (tmp_path / "model").exists()


def test_the_doctor_finds_an_opened_home_sound(opened: Path) -> None:
    assert rlhf("doctor", "--home", opened).returncode == 0


def test_the_previous_champion_comes_back_and_the_reason_is_kept(opened: Path) -> None:
    store = open_store(opened)
    with store.write() as tx:
        first = checkpoints.alias(tx, "champion")
        checkpoints.record_checkpoint(
            tx, digest="f" * 64, kind="policy", round_id=None, parent=first, base={}
        )
        promote(tx, "f" * 64, actor="test", why="better")
    assert rlhf("rollback", "--why", "rude", "--home", opened).returncode == 0
    with store.read() as tx:
        aliases = checkpoints.aliases(tx)
        history = checkpoints.alias_history(tx, "champion")
    store.close()
    assert (aliases["champion"], aliases["previous"]) == (first, "f" * 64)
    assert "rude" in {move.why for move in history}


def test_the_same_home_with_another_base_is_refused(
    opened: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(tiny_llama, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    done = rlhf("up", "--base", other, "--home", opened)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert str(tiny_llama) in done.stderr

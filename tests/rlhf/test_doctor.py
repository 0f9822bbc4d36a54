"""The doctor on real homes: each kind of damage is found and named, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlhf import registry
from rlhf.checks import Check, Verdict
from rlhf.doctor import examine
from rlhf.home import make_home
from rlhf.store import checkpoints, open_store


@pytest.fixture
def started(home: Path) -> Path:
    """A home with one published checkpoint."""
    make_home(home)
    store = open_store(home)
    folder = home / "tmp" / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    digest = registry.publish(home, folder)
    with store.write() as tx:
        checkpoints.record_checkpoint(
            tx, digest=digest, kind="policy", round_id=None, parent=None, base={"path": "x"}
        )
    store.close()
    return home


def by_name(home: Path, *, isolated: bool = True) -> dict[str, Check]:
    return {check.name: check for check in examine(home, isolated=isolated)}


def test_a_sound_home_on_this_machine_has_nothing_bad(started: Path) -> None:
    found = by_name(started)
    assert not [check for check in found.values() if check.verdict is Verdict.BAD]
    assert found["checkpoints"].found == "1 verified"


def test_every_finding_that_matters_comes_with_advice(started: Path) -> None:
    started.chmod(0o755)
    found = by_name(started, isolated=False)
    assert found["home"].verdict is Verdict.BAD
    assert found["isolation"].verdict is Verdict.WARN
    assert all(check.advice for check in found.values() if check.verdict is not Verdict.OK)


def test_looking_at_an_unused_folder_leaves_it_as_it_was(tmp_path: Path) -> None:
    assert by_name(tmp_path)["home"].verdict is Verdict.OK
    assert by_name(tmp_path / "nowhere")["home"].verdict is Verdict.OK
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_named(started: Path) -> None:
    (file,) = (started / "checkpoints").glob("*/adapter_model.safetensors")
    file.chmod(0o600)
    file.write_bytes(b"weighty")
    found = by_name(started)["checkpoints"]
    assert found.verdict is Verdict.BAD
    assert "adapter_model.safetensors" in found.found


@pytest.mark.parametrize("share", [0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9])
def test_a_damaged_database_is_found(started: Path, share: float) -> None:
    file = started / "rlhf.db"
    healthy = file.read_bytes()
    place = int(len(healthy) * share)
    file.write_bytes(healthy[:place] + b"\xff" * 4096 + healthy[place + 4096 :])
    found = by_name(started)
    faulty = [found[name] for name in ("database", "settings and database") if name in found]
    assert [check.verdict for check in faulty] == [Verdict.BAD]


@pytest.mark.parametrize("lost", ["gone", "empty"])
def test_a_lost_database_is_found_and_no_empty_one_takes_its_place(
    started: Path, lost: str
) -> None:
    file = started / "rlhf.db"
    file.unlink()
    if lost == "empty":
        file.touch()
    found = by_name(started)["settings and database"]
    assert found.verdict is Verdict.BAD
    assert lost in found.found
    assert "rlhf backup" in found.found
    assert not file.exists() or file.stat().st_size == 0


def test_a_database_that_knows_none_of_the_published_models_is_found(started: Path) -> None:
    (models,) = (started / "checkpoints").iterdir()
    aside = models.rename(started / "aside")
    (started / "rlhf.db").unlink()
    open_store(started).close()
    aside.rename(models)
    found = by_name(started)["records"]
    assert found.verdict is Verdict.BAD
    assert models.name[:12] in found.found


def test_a_mistake_in_the_settings_is_a_finding(started: Path) -> None:
    (started / "rlhf.toml").write_text("[ppo]\nclipp = 1\n")
    found = by_name(started)["settings and database"]
    assert found.verdict is Verdict.BAD
    assert "ppo.clipp" in found.found

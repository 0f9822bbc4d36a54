"""`rlhf ingest` as people meet it: a look first, then all of it or nothing."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rlhf.cli import main
from rlhf.errors import InputError
from rlhf.store import open_store, passages, prompts

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process; its exit code and what it printed."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlhf", "ingest", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table, a manual and a talk."""
    made = tmp_path / "own"
    made.mkdir()
    (made / "tickets.csv").write_text('id,body,reply\n1,"My card, it fails",Try again.\n')
    (made / "kettle.md").write_text("# Kettle\n\nBoils water.\n")
    (made / "talk.txt").write_text("Customer: Hi\nAgent: Hello\n")
    return made


def test_a_dry_run_shows_what_would_be_and_makes_no_home(
    ingest: Run, folder: Path, tmp_path: Path
) -> None:
    mapped = ("--map", "body=prompt", "--map", "reply=answer", "--home", tmp_path / "home")
    code, out, _ = ingest(folder / "tickets.csv", *mapped, "--dry-run")
    assert code == 0
    assert "1 prompts, 1 of them answered" in out
    assert "user: My card, it fails | assistant: Try again." in out
    assert not (tmp_path / "home").exists()


def test_a_disk_that_is_full_takes_nothing(
    ingest: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: full.open("w+b"))
    code, out, err = ingest(folder, "--map", "body=prompt", "--home", tmp_path / "home")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "make room" in err
    with open_store(tmp_path / "home").read() as tx:
        assert prompts.count_prompts(tx) == {}


def test_each_kind_of_file_goes_its_way_and_the_json_adds_up(
    ingest: Run, folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    files = (folder / "*.md", folder / "talk.txt")
    code, out, _ = ingest(*files, "--home", home, "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["files"], told["rows"], told["dropped"]) == (2, 2, {})
    assert told["prompts"] == told["added"] + told["duplicates"] == 1
    assert told["passages"] == told["passages_added"] + told["passages_known"] == 1
    with open_store(home).read() as tx:
        assert passages.count_passages(tx) == 1
        assert sum(prompts.count_prompts(tx).values()) == 1
    assert list((home / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "tickets.csv, line 2: has no prompt; columns found: id, body, reply"),
        (("--map", "body=promt"), "no field 'promt'"),
        (("--map", "text=prompt"), "no column 'text'"),
        (("--map", "body=prompt", "--known"), "--known takes neither"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    ingest: Run, folder: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, out, err = ingest(folder, *words, "--home", tmp_path / "home")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_bad_file_takes_nothing_that_another_command_stored_in_the_new_home(
    ingest: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"

    def fail_after_another(*_: object, **__: object) -> None:
        with open_store(home).write() as tx:
            new = prompts.NewPrompt([{"role": "user", "content": "Hi"}], "test", split="train")
            prompts.add_prompts(tx, [new])
        raise InputError("is empty", file="tickets.csv")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("rlhf.data.ingest.ingest", fail_after_another)
        assert ingest(folder / "tickets.csv", "--home", home)[0] == 2
    with open_store(home).read() as tx:
        assert prompts.count_prompts(tx) == {"train": 1}

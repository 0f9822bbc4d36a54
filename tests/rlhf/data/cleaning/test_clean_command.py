"""`rlhf clean` and `rlhf datasets` as people meet them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlhf.cli import main
from rlhf.home import make_home
from rlhf.store import Store, open_store
from tests.rlhf.data.cleaning.brought import bring, said
from tests.rlhf.data.cleaning.planted import planted

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rlhf(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path) -> Run:
    """Run a command on the home; returns exit code, output and errors."""
    monkeypatch.setenv("RLHF_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlhf", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def filled(home: Path) -> Store:
    """A home with 60 made rows, the first one with an address in it."""
    make_home(home)
    store = open_store(home)
    bring(
        store, [said("Whom do I write to?", "To  anna@example.com, she will know.")], split="train"
    )
    bring(store, [said(*row) for row in planted(3, 60).rows])
    return store


def test_a_cleaning_is_told_in_words_and_its_counts_add_up(rlhf: Run, filled: Store) -> None:
    code, out, err = rlhf("clean")
    assert (code, err) == (0, "")
    first = re.match(r"(\d+) rows, (\d+) stay \((\d+) train, (\d+) validation, (\d+) test\)", out)
    assert first is not None
    rows, stay, *splits = map(int, first.groups())
    assert sum(splits) == stay
    assert f"({rows} - {rows - stay} = {stay})" in out
    for told in (
        "masked",
        "by source",
        "by topic",
        "by length",
        "Nothing leaks",
        "Names of people",
    ):
        assert told in out
    assert "Data set " in out


def test_a_damaged_data_set_is_one_line_and_cleaning_again_mends_it(
    rlhf: Run, filled: Store, home: Path
) -> None:
    assert rlhf("clean")[0] == 0
    (train,) = (home / "datasets").glob("*/train.parquet")
    train.write_text("junk")
    code, _, err = rlhf("clean", "--show", "chat:1")
    assert (code, err.count("\n")) == (1, 1)
    assert f"{train} is damaged" in err
    assert rlhf("clean")[0] == 0
    assert rlhf("clean", "--show", "chat:1")[0] == 0


def test_a_dry_run_writes_nothing(rlhf: Run, filled: Store) -> None:
    code, out, _ = rlhf("clean", "--dry-run")
    assert code == 0
    assert "Nothing was written" in out
    assert "no data set yet" in rlhf("datasets")[1]


def test_data_sets_are_listed_and_json_is_for_programs(rlhf: Run, filled: Store) -> None:
    report = json.loads(rlhf("clean", "--json")[1])
    (listed,) = json.loads(rlhf("datasets", "--json")[1])
    assert listed["digest"] == report["digest"]
    assert listed["report"]["kept"] == report["kept"]
    assert report["digest"][:12] in rlhf("datasets")[1]


def test_a_row_tells_its_story(rlhf: Run, filled: Store) -> None:
    rlhf("clean")
    code, out, _ = rlhf("clean", "--show", "chat:1")
    assert code == 0
    assert "anna@example.com" in out
    assert "To [email], she will know." in out
    assert "values: 1" in out
    for wrong, why in (("chat:999", "no chat 999"), ("row 1", "names no row")):
        code, out, err = rlhf("clean", "--show", wrong)
        assert (code, out) == (2, "")
        assert why in err


def test_what_people_wrote_is_shown_as_they_wrote_it(rlhf: Run, home: Path) -> None:
    make_home(home)
    store = open_store(home)
    answer = "Hi :fire: [bold]x[/bold], it lies in C:\\ as [1] says.\n\tAnd so on."
    bring(store, [said("Where does it lie?", answer)], split="train")
    bring(store, [said(*row) for row in planted(3, 60).rows])
    rlhf("clean")
    assert f"assistant: {answer}" in rlhf("clean", "--show", "chat:1")[1]

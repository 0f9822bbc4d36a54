"""The command line as people meet it: real commands on a real home, one clear line for mistakes."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlhf import __version__
from rlhf.cli import main
from rlhf.home import make_home, sole_service
from rlhf.store import open_store, people, prompts


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def rlhf(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process, through the front door."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["rlhf", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def started(home: Path) -> Path:
    """A home that was started once."""
    make_home(home)
    open_store(home).close()
    return home


def is_one_clear_line(outcome: Outcome) -> bool:
    """Exit code 2, one line on standard error, nothing on standard output."""
    return (
        outcome.code == 2
        and outcome.err.startswith("error: ")
        and outcome.err.count("\n") == 1
        and outcome.out == ""
    )


def test_the_version_is_printed(rlhf: Run) -> None:
    assert rlhf("--version") == Outcome(0, f"{__version__}\n", "")


def test_every_command_teaches_with_an_example(rlhf: Run) -> None:
    listed = rlhf("--help").out
    commands = re.findall(r"^│ ([a-z]+) ", listed, re.MULTILINE)
    assert {"up", "demo", "status", "ingest", "pull", "serve", "doctor"} <= set(commands)
    for command in set(commands) - {"users", "starter"}:
        assert f" rlhf {command}" in rlhf(command, "--help").out


def test_an_unknown_option_is_a_usage_error_without_a_traceback(rlhf: Run) -> None:
    outcome = rlhf("status", "--colour")
    assert outcome.code == 2
    assert "--colour" in outcome.err
    assert "Traceback" not in outcome.err


def test_an_error_in_the_settings_names_the_key(rlhf: Run, started: Path) -> None:
    (started / "rlhf.toml").write_text("[ppo]\nclipp = 0.1\n")
    outcome = rlhf("users", "list", "--home", started)
    assert is_one_clear_line(outcome)
    assert "ppo.clipp" in outcome.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RLHF_DATABASE", "foo"),
        ("RLHF_DATABASE", "mysql://x/y"),
        ("RLHF_DATABASE", "postgresql+psycopg://host:port/y"),
        ("RLHF_WEB", "abc"),
    ],
)
def test_an_unusable_setting_of_the_environment_is_named(
    rlhf: Run, started: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    outcome = rlhf("users", "list", "--home", started)
    assert is_one_clear_line(outcome)
    assert name in outcome.err


@pytest.mark.parametrize(
    ("file", "code"), [("rlhf.toml", 2), ("migrate.lock", 1), ("run/url", 1)], ids=str
)
def test_a_folder_where_a_file_belongs_is_named_and_nobody_is_invited(
    rlhf: Run, started: Path, file: str, code: int
) -> None:
    (started / file).unlink(missing_ok=True)
    (started / file).mkdir()
    outcome = rlhf("users", "invite", "maria", "--home", started)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (code, "", 1)
    assert str(started / file) in outcome.err
    (started / file).rmdir()
    assert json.loads(rlhf("users", "list", "--json", "--home", started).out) == []


def test_a_home_where_nothing_was_started_says_how_to_start(rlhf: Run, tmp_path: Path) -> None:
    outcome = rlhf("users", "list", "--home", tmp_path / "nowhere")
    assert is_one_clear_line(outcome)
    assert "rlhf up" in outcome.err
    assert not (tmp_path / "nowhere").exists()


def test_the_home_may_stand_before_the_command(
    rlhf: Run, started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLHF_HOME", "/nonexistent")
    assert rlhf("--home", started, "users", "list").code == 0


# Wrong input, as listed in the requirements: one line, exit code 2, nothing half-written.


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "prompts.jsonl"),
        ('{"prompt": "Hello"}\n{"prompt": \n', "line 2"),
        ('{"prompt": "Hello"}\n{"prompt": "Good"}\n{"prompt": "  "}\n', "line 3"),
    ],
    ids=["missing file", "broken line", "empty prompt"],
)
def test_bad_data_is_refused_whole(
    rlhf: Run, started: Path, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "prompts.jsonl"
    if content is not None:
        file.write_text(content)
    outcome = rlhf("ingest", file, "--home", started)
    assert is_one_clear_line(outcome)
    assert said in outcome.err
    with open_store(started).read() as tx:
        assert sum(prompts.count_prompts(tx).values()) == 0


def test_of_several_files_a_bad_one_keeps_all_out(rlhf: Run, started: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"prompt": "Hello"}\n')
    bad.write_text("{\n")
    assert is_one_clear_line(rlhf("ingest", good, bad, "--home", started))
    with open_store(started).read() as tx:
        assert sum(prompts.count_prompts(tx).values()) == 0


@pytest.mark.slow
def test_a_folder_that_is_no_model_starts_nothing(rlhf: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = rlhf("up", "--base", tmp_path / "empty", "--home", home)
    assert is_one_clear_line(outcome)
    assert "empty" in outcome.err
    assert not list((home / "checkpoints").glob("*"))


def test_an_unknown_alias_lists_what_there_is(rlhf: Run, started: Path, tmp_path: Path) -> None:
    outcome = rlhf("pull", "shampion", tmp_path / "model", "--home", started)
    assert is_one_clear_line(outcome)
    assert "shampion" in outcome.err
    assert not (tmp_path / "model").exists()


def test_a_second_service_on_the_same_home_is_refused(rlhf: Run, started: Path) -> None:
    with sole_service(started):
        outcome = rlhf("up", "--home", started)
    assert is_one_clear_line(outcome)
    assert str(started) in outcome.err


# Arguments that the database cannot hold

TOO_LARGE = 10**22


@pytest.mark.parametrize("ref", ["v²", f"v{'9' * 5000}", "\udcff"], ids=ascii)
def test_what_no_checkpoint_can_be_called_is_an_unknown_name(
    rlhf: Run, started: Path, tmp_path: Path, ref: str
) -> None:
    assert is_one_clear_line(rlhf("pull", ref, tmp_path / "model", "--home", started))
    assert is_one_clear_line(rlhf("card", ref, "--home", started))


@pytest.mark.parametrize(
    "words",
    [
        ("reward", "report", TOO_LARGE),
        ("reward", "overrule", TOO_LARGE, "--why", "x"),
        ("evaluate", "--show", TOO_LARGE),
        ("evaluate", "--show", -TOO_LARGE),
        ("clean", "--show", f"chat:{TOO_LARGE}"),
        ("users", "invite", "\udcff"),
        ("users", "token", "\udcff"),
        ("users", "deactivate", "\udcff"),
        ("rollback", "--why", "\udcff"),
    ],
    ids=ascii,
)
def test_what_the_database_cannot_hold_is_refused(
    rlhf: Run, started: Path, words: tuple[object, ...]
) -> None:
    outcome = rlhf(*words, "--home", started)
    assert (outcome.code, outcome.out) == (2, "")


# People


def test_an_invitation_is_a_link_that_works_once(rlhf: Run, started: Path) -> None:
    outcome = rlhf("users", "invite", "maria", "--role", "annotator", "--home", started)
    link = re.fullmatch(r"http://127\.0\.0\.1:7860/join/(\S+)\n", outcome.out)
    assert link is not None
    with open_store(started).write() as tx:
        person = people.accept_invite(tx, link[1])
    assert (person.name, person.role) == ("maria", "annotator")


def test_a_link_leads_to_where_the_service_answers(rlhf: Run, started: Path) -> None:
    (started / "run" / "url").write_text("http://127.0.0.1:4711\n")
    assert rlhf("users", "invite", "li", "--home", started).out.startswith("http://127.0.0.1:4711/")


def test_a_deactivated_person_is_listed_as_such(rlhf: Run, started: Path) -> None:
    rlhf("users", "invite", "maria", "--home", started)
    assert rlhf("users", "deactivate", "maria", "--home", started).code == 0
    (listed,) = json.loads(rlhf("users", "list", "--json", "--home", started).out)
    assert (listed["name"], listed["active"]) == ("maria", False)


def test_a_token_is_printed_alone_so_that_it_can_go_into_a_file(rlhf: Run, started: Path) -> None:
    rlhf("users", "invite", "shop", "--role", "reader", "--home", started)
    outcome = rlhf("users", "token", "shop", "--home", started)
    assert re.fullmatch(r"rlhf_\S+\n", outcome.out)


def test_a_token_for_a_stranger_is_refused(rlhf: Run, started: Path) -> None:
    outcome = rlhf("users", "token", "nobody", "--home", started)
    assert is_one_clear_line(outcome)
    assert "nobody" in outcome.err


def test_a_token_file_that_is_no_text_is_refused(rlhf: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    there = ("--from", "http://127.0.0.1:9", "--token-file", tmp_path / "token")
    outcome = rlhf("pull", "champion", tmp_path / "model", *there)
    assert is_one_clear_line(outcome)
    assert "no text" in outcome.err


@pytest.mark.parametrize("name", ["[bold]x[/bold]", "hi :fire:", "C:\\", "\\[x]"])
def test_names_are_never_read_as_markup(rlhf: Run, started: Path, name: str) -> None:
    at = ("--home", started)
    rlhf("users", "invite", name, *at)
    assert f"\n{name} " in rlhf("users", "list", *at).out
    assert rlhf("users", "deactivate", name, *at).out.startswith(f"{name} can no longer")


def test_nothing_that_people_write_steers_the_terminal(rlhf: Run, started: Path) -> None:
    name = "x\x1b]0;mine\x07\x9b2Jy\x7f"
    at = ("--home", started)
    rlhf("users", "invite", name, *at)
    listed, told = rlhf("users", "list", *at), rlhf("users", "list", "--json", *at)
    closed = rlhf("users", "deactivate", name, *at)
    unknown = rlhf("users", "token", f"{name}z", *at)
    for shown in (listed.out, told.out, closed.out, unknown.err):
        assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown) is None
        assert "x" in shown
    assert json.loads(told.out)[0]["name"] == name


# Data and care


def test_ratings_go_out_as_they_came_in(rlhf: Run, started: Path, tmp_path: Path) -> None:
    own, out = tmp_path / "own.jsonl", tmp_path / "out.csv"
    own.write_text('{"prompt": "Hm?", "chosen": "Yes.", "rejected": "No.", "strength": 2}\n')
    assert rlhf("ingest", own, "--home", started).code == 0
    told = rlhf("export", out, "--home", started)
    assert told.code == 0
    assert "1 rows from 1 ratings" in told.out
    again = rlhf("ingest", out, "--home", started)
    assert "0 prompts added, 1 known already" in again.out
    assert is_one_clear_line(rlhf("export", out, "--home", started))
    assert is_one_clear_line(rlhf("export", tmp_path / "out.xlsx", "--home", started))


def test_ingest_reports_what_it_added(rlhf: Run, started: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(f'{{"prompt": "Question {n}?"}}\n' for n in range(40)))
    assert rlhf("ingest", file, "--home", started).code == 0
    again = rlhf("ingest", file, "--home", started)
    assert "40" in again.out
    with open_store(started).read() as tx:
        assert sum(prompts.count_prompts(tx).values()) == 40


@pytest.mark.parametrize("place", ["nodir/x.jsonl", "file/x.jsonl", f"{'x' * 300}.jsonl"])
def test_where_nothing_can_lie_nothing_is_exported(
    rlhf: Run, started: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    outcome = rlhf("export", tmp_path / place, "--home", started)
    assert is_one_clear_line(outcome)
    assert str(tmp_path) in outcome.err


def test_a_folder_below_a_file_is_refused_at_the_door(
    rlhf: Run, started: Path, tmp_path: Path
) -> None:
    below = tmp_path / "file" / "x"
    below.parent.touch()
    for words in (("pull", "champion", below), ("evaluate", "--show", 1, "--out", below)):
        outcome = rlhf(*words, "--home", started)
        assert is_one_clear_line(outcome)
        assert f"{below.parent} is a file" in outcome.err


def test_what_the_system_refuses_is_one_line_with_its_place(
    rlhf: Run, started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/full/x")

    monkeypatch.setattr(people, "people", full)
    outcome = rlhf("users", "list", "--home", started)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert outcome.err.startswith("error: /full/x: No space left on device")


def test_a_backup_opens_as_a_home_of_its_own(rlhf: Run, started: Path, tmp_path: Path) -> None:
    rlhf("users", "invite", "maria", "--home", started)
    copy = make_home(tmp_path / "copy")
    assert rlhf("backup", copy / "rlhf.db", "--home", started).code == 0
    (listed,) = json.loads(rlhf("users", "list", "--json", "--home", copy).out)
    assert listed["name"] == "maria"


@pytest.mark.parametrize(
    "words", [("checkpoints",), ("users", "list"), pytest.param(("up",), marks=pytest.mark.slow)]
)
def test_a_home_that_lost_its_database_is_not_given_an_empty_one(
    rlhf: Run, started: Path, words: tuple[str, ...]
) -> None:
    (started / "checkpoints" / "88620d67").mkdir()
    (started / "rlhf.db").unlink()
    outcome = rlhf(*words, "--home", started)
    assert is_one_clear_line(outcome)
    assert "rlhf backup" in outcome.err
    assert not (started / "rlhf.db").exists()


def test_a_backup_never_overwrites(rlhf: Run, started: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    assert is_one_clear_line(rlhf("backup", file, "--home", started))
    assert file.read_text() == "mine"


def test_rolling_back_before_any_promotion_says_so(rlhf: Run, started: Path) -> None:
    outcome = rlhf("rollback", "--why", "try", "--home", started)
    assert is_one_clear_line(outcome)
    assert "nothing was promoted" in outcome.err


def test_ctrl_c_ends_with_130_and_no_traceback(started: Path) -> None:
    program = (
        "import rlhf.store, rlhf.cli\n"
        "def interrupted(*_, **__): raise KeyboardInterrupt\n"
        "rlhf.store.open_store = interrupted\n"
        "rlhf.cli.main()"
    )
    command = [sys.executable, "-c", program, "users", "list", "--home", str(started)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr

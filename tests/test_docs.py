"""What the pages say exists: written pages match the program, commands and targets are real."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks import contributions, study
from tests.benchmarks._record import goal_table
from tests.benchmarks._study_cells import found

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands.md", "settings.md"])
def test_written_pages_say_what_the_program_says(generator: ModuleType, name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert page == generator.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_command_that_a_page_shows_exists(page: Path, generator: ModuleType) -> None:
    known = set(re.findall(r"^## `rlhf ([a-z -]+)`$", generator.commands_page(), re.MULTILINE))
    first_words = {name.split()[0] for name in known}
    shown = re.findall(r"(?:^|`|\$ |bin/)rlhf ([a-z]+)", page.read_text(encoding="utf-8"), re.M)
    assert set(shown) <= first_words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_make_target_that_a_page_shows_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    shown = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(shown) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_local_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_the_page_on_learning_says_what_the_study_found() -> None:
    told, start = found(ROOT / "docs" / "study")
    page = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    for part in (
        study.table(told, start),
        study.by_round(told),
        study.by_temperature(told, start),
        goal_table(study.goals(told, start)),
    ):
        assert part in page, "python -m tests.benchmarks.study --found --cells docs/study"


def test_the_page_on_learning_says_what_each_part_contributes() -> None:
    seen = contributions.found(ROOT / "docs" / "contributions")
    page = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    command = "python -m tests.benchmarks.contributions --work docs/contributions"
    assert contributions.table(seen) in page, command
    assert command in page


def test_the_study_tells_of_temperatures_only_what_it_measured() -> None:
    told, start = found(ROOT / "docs" / "study")
    for method in told.keys() - {"ours"}:
        for rounds in told[method].values():
            rounds[-1]["cooler"] = {}
    known = study.by_temperature(told, {seed: {**one, "cooler": {}} for seed, one in start.items()})
    assert {line.split(" | ")[0] for line in known.splitlines()[2:]} == {"| ours"}

"""The rules of the house, checked on its own sources: who may import whom, what may be installed,
how long a file may grow, and what is never loaded.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
ROOMS = ("rlhf", "reward", "feedback_app", "ray_jobs")
LONGEST = 400
"""Lines; a longer module holds two ideas. Migrations are exempt: they record, once."""
FLOORS = {"ray": "2.56", "gradio": "6.20", "transformers": "5.2.1", "torch": "2.10"}
"""Oldest versions without known holes that matter here."""
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
INSTALLED_FOR_OTHERS = {
    "accelerate": "transformers and trl train and load with it",
    "openai": "transformers serve speaks with its types",
    "psycopg": "SQLAlchemy loads it for a postgresql:// address",
}
"""Declared, but imported by another library on our behalf."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
TEST_MODULES = sorted((ROOT / "tests").rglob("*.py"))


def test_imports_keep_the_contracts_of_the_design() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module",
    [file for file in MODULES + TEST_MODULES if "versions" not in file.parts],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_a_module_holds_one_idea(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize(
    "entry", ["feedback_app.app", "feedback_app.__main__", "ray_jobs.controller", "rlhf.cli"]
)
def test_long_lived_processes_start_without_the_learner(entry: str) -> None:
    program = (
        f"import sys, {entry}; "
        "print(*sorted({'torch', 'ray', 'transformers', 'trl', 'peft'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_the_command_line_starts_without_anything_heavy() -> None:
    program = (
        "import sys, rlhf.cli; "
        "heavy = {'pandas', 'numpy', 'sqlalchemy', 'pydantic', 'gradio', 'fastapi', 'httpx'}; "
        "print(*sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", FLOORS)
def test_no_dependency_is_older_than_its_security_floor(name: str) -> None:
    floor = Version(FLOORS[name])
    assert Version(importlib.metadata.version(name)) >= floor
    assert Version(pinned()[name]) >= floor
    (declared,) = (wish for wish in map(Requirement, PROJECT["dependencies"]) if wish.name == name)
    assert f"{floor.major}.{floor.minor - 1}.9" not in declared.specifier


def test_constraints_pin_every_package_that_is_installed_for_us() -> None:
    loose = {
        name: version
        for name, version in installed_for_us().items()
        if pinned().get(name) != version.split("+")[0]
    }
    assert loose == {}


def test_constraints_hold_nothing_but_names_and_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"#.*|[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)
    assert pinned()["torch"] == "2.13.0"


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    declared = {canonicalize_name(Requirement(wish).name) for wish in PROJECT["dependencies"]}
    assert imported_distributions() | set(INSTALLED_FOR_OTHERS) == declared


@pytest.mark.parametrize("module", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_loads_code_from_data(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        assert not PICKLES & set(imported_names(node)), f"line {getattr(node, 'lineno', '?')}"
        if isinstance(node, ast.Call):
            assert is_safe(node), f"line {node.lineno}: {ast.unparse(node)}"


def is_safe(call: ast.Call) -> bool:
    """No eval or exec, no unpickling, no code from a model's folder."""
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    name = ast.unparse(call.func)
    return (
        name not in {"eval", "exec"}
        and (name != "torch.load" or given.get("weights_only") == "True")
        and given.get("trust_remote_code", "False") == "False"
        and given.get("allow_pickle", "False") == "False"
    )


def imported_names(node: ast.AST) -> list[str]:
    """The top-level packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    return []


def imported_distributions() -> set[str]:
    """The packages of a registry that the four rooms import."""
    found = {
        name
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        for name in imported_names(node)
    }
    owners = importlib.metadata.packages_distributions()
    foreign = found - set(sys.stdlib_module_names) - set(ROOMS)
    return {canonicalize_name(owners[name][0]) for name in foreign}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def installed_for_us() -> dict[str, str]:
    """Name and version of what our dependencies and test tools bring along here."""
    wishes = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    waiting = [Requirement(wish) for wish in wishes]
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wish = waiting.pop()
        key = (canonicalize_name(wish.name), frozenset(wish.extras))
        if key in seen:
            continue
        seen.add(key)
        package = importlib.metadata.distribution(wish.name)
        found[key[0]] = package.version
        waiting += applicable(package, key[1])
    return found


def applicable(
    package: importlib.metadata.Distribution, extras: frozenset[str]
) -> Iterator[Requirement]:
    """The requirements of a package that hold on this machine with these extras."""
    for requirement in map(Requirement, package.requires or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement

"""What every benchmark writes: figures and goals as JSON, and a Markdown table of the same."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """One promise and whether it was kept."""

    name: str
    value: float
    goal: str
    met: bool


def parser(doc: str) -> argparse.ArgumentParser:
    """The flags that all benchmarks have."""
    flags = argparse.ArgumentParser(description=doc)
    flags.add_argument("--quick", action="store_true", help="a few minutes instead of all of it")
    flags.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return flags


def resumable(doc: str, work: Path, kept: str) -> argparse.Namespace:
    """What was asked of a benchmark that goes on where it was stopped; `kept` lies in its WORK."""
    flags = parser(doc)
    flags.add_argument("--seeds", nargs="+", type=int, help="only these")
    flags.add_argument("--work", type=Path, default=work, help=f"{kept}; else {work}")
    asked = flags.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    return asked


def cell_name(name: str, seed: int) -> str:
    """A method's, course's or way's name as part of a file's."""
    return f"{name.replace(' ', '-').replace(',', '')}-{seed}"


def once(file: Path, make: Callable[[], Any]) -> Any:
    """What `make` gives, as plain values; from the file, where it was made before."""
    if not file.is_file():
        file.write_text(json.dumps(_rounded(make())) + "\n")
    return json.loads(file.read_text())


def _rounded(tree: Any) -> Any:
    """To what was measured: four digits after the point."""
    if isinstance(tree, dict):
        return {name: _rounded(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_rounded(value) for value in tree]
    return round(tree, 4) if isinstance(tree, float) else tree


def goal_table(goals: Sequence[Goal]) -> str:
    """Markdown; a line for every goal."""
    lines = ["| goal | value | wanted | met |", "|---|---|---|---|"]
    for goal in goals:
        met = "yes" if goal.met else "no"
        lines.append(f"| {goal.name} | {goal.value:.3g} | {goal.goal} | {met} |")
    return "\n".join(lines)


def finish(name: str, figures: dict[str, Any], goals: Sequence[Goal], file: Path | None) -> None:
    """Print the goals, where there are any, as a table and write everything to `file`."""
    record = {
        "name": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "figures": figures,
        "goals": [asdict(goal) for goal in goals],
    }
    if goals:
        print(f"\n{goal_table(goals)}")
    if file is not None:
        file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

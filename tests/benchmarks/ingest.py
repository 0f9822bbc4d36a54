"""How long do a million rows take from file to store, and how much memory?

`python -m tests.benchmarks.ingest [--quick] [--json FILE]`. Chat rows of 300 to 600 bytes are made,
then read, checked and stored by a process of its own, whose peak is taken; the quick form takes
50,000. Where cleaning is measured (`_cleaning`), its figures are added.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import random
import resource
import string
import tempfile
import time
from pathlib import Path
from typing import Any

from rlhf.data.ingest import ingest
from rlhf.home import make_home
from rlhf.store import open_store
from tests.benchmarks._child import child
from tests.benchmarks._record import Goal, finish, parser

FULL, QUICK = 1_000_000, 50_000
SECONDS_PER_MILLION = 180
GIGABYTES = 2.0
CLEANING_SECONDS_PER_MILLION = 600


def make_rows(file: Path, rows: int) -> None:
    """Chats of two turns, no two alike."""
    chance = random.Random(1)
    words = ["".join(chance.choices(string.ascii_lowercase, k=2 + at % 8)) for at in range(5000)]
    with file.open("w", encoding="utf-8") as made:
        for number in range(rows):
            asked = " ".join(chance.choices(words, k=chance.randint(12, 28)))
            said = " ".join(chance.choices(words, k=chance.randint(20, 44)))
            turns = [
                {"role": "user", "content": f"{number} {asked}?"},
                {"role": "assistant", "content": f"{said}."},
            ]
            made.write(json.dumps({"messages": turns}) + "\n")


def measure(rows: int) -> dict[str, float]:
    """Figures of the ingest of so many rows into an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        make_rows(file, rows)
        home = make_home(Path(folder) / "home")
        store = open_store(home)
        begun, worked = time.perf_counter(), time.process_time()
        storing: list[float] = []

        def watch(_: int, __: int, what: str) -> None:
            if what == "rows stored" and not storing:
                storing.append(time.perf_counter())

        told = ingest(store, [file], room=home, progress=watch)
        ended = time.perf_counter()
        store.close()
        assert told.added == told.rows == rows
        return {
            "rows": rows,
            "bytes_per_row": file.stat().st_size / rows,
            "seconds": ended - begun,
            "seconds_storing": ended - storing[0],
            "cpu_seconds": time.process_time() - worked,
            "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        }


def main() -> None:
    """Measure, and write the record; with `--rows`, measure here and print the figures."""
    flags = parser(__doc__)
    flags.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    given = flags.parse_args()
    if given.rows:
        print(json.dumps(measure(given.rows)))
        return
    rows = QUICK if given.quick else FULL
    figures: dict[str, Any] = {"ingest": child("ingest", ["--rows", str(rows)])}
    goals = _goals("ingest", figures["ingest"], rows, SECONDS_PER_MILLION)
    if importlib.util.find_spec("tests.benchmarks._cleaning"):
        figures["cleaning"] = importlib.import_module("tests.benchmarks._cleaning").measure(rows)
        cleaned = figures["cleaning"]
        goals += [
            *_goals("cleaning", cleaned, rows, CLEANING_SECONDS_PER_MILLION),
            _at_least("near-duplicate recall", cleaned["near_recall"], 0.95),
            _at_least("near-duplicate precision", cleaned["near_precision"], 0.99),
            _at_least("personal data, recall", cleaned["personal_recall"], 0.95),
            _at_most("personal data, false alarms", cleaned["personal_false"], 0.01),
        ]
    finish("ingest", figures, goals, given.json)


def _goals(what: str, told: dict[str, float], rows: int, seconds: float) -> list[Goal]:
    return [
        _at_most(f"{what}: seconds for {rows:,} rows", told["seconds"], seconds * rows / FULL),
        _at_most(f"{what}: peak memory in GB", told["peak_gb"], GIGABYTES),
    ]


def _at_most(name: str, value: float, most: float) -> Goal:
    return Goal(name, value, f"<= {most:g}", value <= most)


def _at_least(name: str, value: float, least: float) -> Goal:
    return Goal(name, value, f">= {least:g}", value >= least)


if __name__ == "__main__":
    main()

"""Cleaning, measured: time and memory of so many made rows, and what was found of what was planted.

`python -m tests.benchmarks._cleaning --rows 1000000`: near-duplicates and personal data are planted
in rows of 300 to 600 characters, stored, and cleaned with the default settings.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from rlhf.data.cleaning.decide import EXACT, NEAR, QUESTION
from rlhf.data.cleaning.privacy import FINDERS
from rlhf.data.cleaning.run import clean
from rlhf.data.datasets import ACTIONS, Dataset
from rlhf.data.splits import conversation_of, split_of
from rlhf.home import make_home
from rlhf.settings import Clean
from rlhf.store import Store, open_store, prompts
from rlhf.store.datasets import last_rows
from tests.rlhf.data.cleaning.planted import Plan, planted

PART = 20_000
"""Rows made and stored at a time; a near-duplicate is of a row of its own part."""
HELDOUT = 0.15


def measure(rows: int) -> dict[str, float]:
    """Figures of cleaning so many rows, in seconds, GB and shares."""
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home")
        store = open_store(home)
        try:
            plans = _fill(store, rows)
            with _Memory() as memory:
                begun = time.perf_counter()
                made = clean(store, home, Clean())
                took = time.perf_counter() - begun
            assert made.dataset is not None
            return {
                "rows": rows,
                "seconds": took,
                "peak_gb": memory.peak / 1e9,
                "kept": made.report["kept"],
                **_found(made.dataset, plans),
            }
        finally:
            store.close()


class _Memory:
    """The highest sum of what this process and its children hold (RSS), looked at ten times a
    second."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.1):
            held = 0
            for one in (me, *me.children(recursive=True)):
                try:
                    held += one.memory_info().rss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, held)


def _fill(store: Store, rows: int) -> list[tuple[int, Plan]]:
    """Make and store rows; per part the id of its first row and what was planted."""
    plans = []
    for first in range(0, rows, PART):
        plan = planted(first, min(PART, rows - first))
        new = []
        for question, answer in plan.rows:
            messages = [{"role": "user", "content": question}]
            new.append(
                prompts.NewPrompt(
                    messages=messages,
                    reference=answer,
                    source=f"file-{first % 7}.jsonl",
                    conversation=conversation_of(messages),
                    split=split_of(messages, HELDOUT),
                )
            )
        with store.write() as tx:
            before = last_rows(tx)["chat"]
            prompts.add_prompts(tx, new)
        plans.append((before + 1, _slim(plan, new)))
    return plans


def _slim(plan: Plan, new: list[prompts.NewPrompt]) -> Plan:
    """Without the texts, and with places as in the store, where equal prompts are one row."""
    seen: dict[str, int] = {}
    places = [seen.setdefault(prompts.digest_of(one.messages), len(seen)) for one in new]
    near = {
        places[late]: places[first]
        for late, first in plan.near.items()
        if places[late] != places[first]
    }
    return Plan([], near, {places[at]: what for at, what in plan.personal.items()})


def _found(data: Dataset, plans: list[tuple[int, Plan]]) -> dict[str, float]:
    near: set[int] = set()
    exact: set[int] = set()
    """Near-duplicates of which nothing is left once blanks are normalised."""
    masked: dict[str, set[int]] = {kind: set() for kind in FINDERS}
    for one in pq.read_table(data.folder / ACTIONS).to_pylist():
        if one["reason"] in (NEAR, QUESTION):
            near.add(one["row"])
        elif one["reason"] == EXACT:
            exact.add(one["row"])
        elif one["action"] == "masked":
            masked[one["reason"]].add(one["row"])
    pairs = [(start + a, start + b) for start, plan in plans for a, b in plan.near.items()]
    group = {row for pair in pairs for row in pair}
    kinds = Counter(kind for _, plan in plans for kind, _ in plan.personal.values())
    right = Counter(
        kind
        for start, plan in plans
        for place, (kind, _) in plan.personal.items()
        if start + place in masked[kind]
    )
    personal = {start + place for start, plan in plans for place in plan.personal}
    false = set().union(*masked.values()) - personal
    rows = data.report["rows"]
    return {
        "near_planted": len(pairs),
        "near_recall": sum(bool({a, b} & (near | exact)) for a, b in pairs) / max(1, len(pairs)),
        "near_precision": len(near & group) / max(1, len(near)),
        "personal_recall": min(right[kind] / count for kind, count in kinds.items()),
        "personal_false": len(false) / (rows - len(personal)),
    }


def main() -> None:
    """Print the figures as JSON."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--rows", type=int, default=100_000)
    print(json.dumps(measure(flags.parse_args().rows), indent=2))


if __name__ == "__main__":
    main()

"""`rlhf demo`: the whole loop without people, to see what it does on this machine.

The controller, the runners, the store and the queue are the real ones; the annotators are
simulated and there is no web process. A demo that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ray_jobs import controller, crew, supervisor
from ray_jobs.watching import Watcher
from rlhf import report
from rlhf.durable import write_whole
from rlhf.errors import RLHFError, UsageError
from rlhf.home import make_home, sole_service
from rlhf.rounds import ENDED, State
from rlhf.settings import load_settings, settings_from
from rlhf.store import Store, facts, manifests, open_store, rounds
from rlhf.store.checking import Checks

COLUMNS = (
    "round",
    "promoted",
    "ratings",
    "accuracy",
    "wins",
    "gold",
    "KL",
    "length",
    "perpl.",
    "seconds",
)

LOOK_S = 0.3
"""Seconds between two looks of the annotators at the queue."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a demo was asked for; a home remembers it, so that going on means the same demo."""

    rounds: int
    comparisons: int
    annotators: int
    seed: int


def run_demo(
    *,
    home: Path,
    rounds: int,
    comparisons: int,
    annotators: int,
    seed: int,
    json_file: Path | None,
) -> int:
    """Run (or finish) a demo of `rounds` rounds and write its figures; returns the exit code.

    Raises UsageError where `home` holds another service or another demo.
    """
    plan = Plan(rounds, comparisons, annotators, seed)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise UsageError(f"{json_file.parent} is no folder; --json needs a file in one that exists")
    make_home(home)
    console = Console(stderr=True)
    with sole_service(home):
        _settle(home, plan)
        supervisor.prepare(home, None, console)
        store = open_store(home, load_settings(home).database)
        try:
            _loop(home, store, plan)
            figures = report.figures(store)
        finally:
            store.close()
    if json_file is not None:
        text = json.dumps(figures, indent=2) + "\n"
        write_whole(json_file, lambda fresh: fresh.write_text(text, encoding="utf-8"))
    console.print(_table(figures))
    failed = [one for one in figures["rounds"] if one["error"]]
    if failed:
        raise RLHFError(f"round {failed[0]['round']} failed: {failed[0]['error']}")
    return 0


def _settle(home: Path, plan: Plan) -> None:
    """Write the demo's settings into a new home; refuse a home that has others."""
    file = home / "rlhf.toml"
    text = (
        f"seed = {plan.seed}\n\n[feedback]\n"
        f"comparisons_per_round = {plan.comparisons}\nratings_per_round = {plan.comparisons}\n"
    )
    if not file.exists():
        if (home / "rlhf.db").exists():
            raise UsageError(f"{home} holds a service; give the demo a folder of its own")
        file.write_text(text, encoding="utf-8")
        return
    found, wanted = tomllib.loads(file.read_text(encoding="utf-8")), tomllib.loads(text)
    same = found.get("seed") == wanted["seed"] and {
        **found.get("feedback", {}),
        **wanted["feedback"],
    } == found.get("feedback")
    if not same:
        raise UsageError(
            f"{home} holds a demo with another seed or number of comparisons ({file}); "
            "give a new folder, or the same --seed and --comparisons to go on"
        )


def _loop(home: Path, store: Store, plan: Plan) -> None:
    with store.read() as tx:
        base = facts.get(tx, "base")
    if not base or not base.get("starter"):
        raise UsageError("simulated annotators live in the starter world; run the demo without it")
    done = threading.Event()
    members = crew.hire(store, plan.annotators, plan.seed)
    rating = threading.Thread(
        target=_rate, args=(store, members, plan, done), name="annotators", daemon=True
    )

    def finished(_: controller.Service) -> bool:
        with store.read() as tx:
            return sum(one.state in ENDED for one in rounds.all_rounds(tx)) >= plan.rounds

    with Watcher(store):
        rating.start()
        try:
            service = controller.Service(home=home, store=store, stopping=threading.Event())
            controller.run(service, until=finished)
        finally:
            done.set()
            rating.join()


def _rate(store: Store, members: list[crew.Member], plan: Plan, done: threading.Event) -> None:
    """Rate whenever a round is collecting, as many as it still needs."""
    while not done.wait(LOOK_S):
        with store.read() as tx:
            current = rounds.current_round(tx)
            have = manifests.new_ratings_since(tx, manifests.latest(tx))
        if current is not None and current.state == State.COLLECTING:
            seed = plan.seed * 1000 + current.id
            asking = settings_from(current.settings, origin=f"round {current.id}").feedback
            checks = Checks(repeat_share=asking.repeat_share)
            missing = asking.ratings_per_round - have
            crew.rate_all(store, members, seed, limit=missing, checks=checks)


def _table(figures: dict[str, Any]) -> Table:
    table = Table(
        title="gold is the true score in the starter world; the learner never sees it",
        box=None,
        pad_edge=False,
    )
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    start = figures["start"]
    table.add_row("start", "", "", "", "", *_numbers(start, "gold", "kl", "length", "perplexity"))
    for one in figures["rounds"]:
        reward, policy = one["reward_model"] or {}, one["policy"] or {}
        table.add_row(
            str(one["round"]),
            "yes" if one["promoted"] else "no",
            str(one["ratings"]),
            *_numbers(reward, "held_out_accuracy"),
            *_numbers(policy, "win_rate", "gold", "kl", "length", "perplexity"),
            f"{sum(one['seconds'].values()):.0f}",
        )
    return table


def _numbers(figures: dict[str, Any], *names: str) -> list[str]:
    """Two decimals each; nothing for what was not measured."""
    values = [figures.get(name) for name in names]
    return ["" if value is None else f"{value:.2f}" for value in values]

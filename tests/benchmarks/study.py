"""Does the loop learn what people prefer, and does it learn more than other methods do?

    python -m tests.benchmarks.study [--quick] [--methods M ...] [--seeds N ...]
                                     [--rounds N] [--found] [--work FOLDER] [--cells FOLDER]

Starter world; eight simulated annotators, a fifth of whose verdicts are wrong; three rounds of 400
votes, each on pairs of the method's own newest answers. Ours is `rlhf demo` itself, whole, with one
reward model, and without KL. The others are TRL's DPO and RLOO (installed version) and TRL 1.12.0's
PPO; they vote by the same annotators, and RLOO and PPO are paid by the same kind of ensemble. All
are judged by gold on 2,000 answers to held-out prompts against the starter's answers to the same.

The work folder keeps every finished step, so that a study that was stopped goes on; the folder of
cells gets one small file for every method and seed that is done, and what lies there is not run
again: `--found --cells docs/study` tells what was found and runs nothing. The quick form, in
folders of its own, is one seed, ours against DPO, two rounds of 200 votes with less of everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from tests.benchmarks._record import Goal, finish, parser
from tests.benchmarks._study_cells import (
    FULL,
    METHODS,
    PEERS,
    QUICK,
    WORK,
    Start,
    Told,
    cell,
    found,
    starters,
)
from tests.benchmarks._study_plot import draw
from tests.benchmarks._study_yardstick import COOLER

OURS = "ours"
ENOUGH = 3
"""Seeds from which an interval says more than the figures themselves."""
REACHED = 0.75
"""Gold win rate to which the methods race by the clock."""
SURE = 2.0
"""Standard errors by which gold must fall to have fallen."""


def main() -> None:
    """Run every cell that is not there yet, and hold the whole against the goals."""
    flags = parser(__doc__ or "")
    flags.add_argument("--work", type=Path, default=WORK, help=f"homes and models; else {WORK}")
    flags.add_argument("--cells", type=Path, help="finished cells; else WORK/cells")
    flags.add_argument("--methods", nargs="+", choices=METHODS, help=f"else {', '.join(METHODS)}")
    flags.add_argument("--seeds", nargs="+", type=int, help="only these")
    flags.add_argument("--found", action="store_true", help="only tell what CELLS has")
    flags.add_argument(
        "--rounds", type=int, help=f"else {FULL.rounds}, and {QUICK.rounds} if quick"
    )
    flags.add_argument("--plot", type=Path, help="picture; else CELLS/study.png")
    asked = flags.parse_args()
    form = QUICK if asked.quick else FULL
    form = replace(form, rounds=asked.rounds or form.rounds)
    work = asked.work / form.folder
    cells = asked.cells / form.folder if asked.cells else work / "cells"
    cells.mkdir(parents=True, exist_ok=True)
    if asked.found:
        told, start = found(cells, form.rounds)
    else:
        told = {}
        for method in asked.methods or form.methods:
            fewer = form.peer_seeds if method in PEERS else form.seeds
            for seed in asked.seeds or fewer:
                told.setdefault(method, {})[seed] = cell(method, seed, work, cells, form)
                _say(method, seed, told[method][seed])
        start = starters(told, cells, form)
    began = fmean(one["gold"] for one in start.values())
    draw(told, began, OURS, asked.plot or cells / "study.png")
    print(f"\n{table(told, start)}\n\n{by_round(told)}\n\n{by_temperature(told, start)}")
    finish("study", {"told": told, "start": start}, goals(told, start), asked.json)


def _say(method: str, seed: int, rounds: Sequence[dict[str, Any]]) -> None:
    for one in rounds:
        worth = one["worth"]
        print(
            f"{method}, seed {seed}, round {one['round']}: gold win rate {worth['win_rate']:.2f}, "
            f"gold {worth['gold']:+.2f}, KL {worth['kl']:.1f}, {one['seconds']:.0f} s",
            flush=True,
        )


def table(told: Told, start: Start) -> str:
    """Markdown; of the last round, as `_spread` tells seeds."""
    columns = ("win_rate", "gold", "kl", "length", "distinct_2", "repeated_sentences", "empty")
    head = ["method", "seeds", "votes", *(name.replace("_", " ") for name in columns), "seconds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    untouched = [_spread([one[name] for one in start.values()]) for name in columns]
    lines.append("| " + " | ".join(["the starter", str(len(start)), "0", *untouched, ""]) + " |")
    for method, by_seed in told.items():
        last = [rounds[-1] for rounds in by_seed.values()]
        cells = [method, str(len(last)), f"{fmean(one['votes'] for one in last):.0f}"]
        cells += [_spread([one["worth"][name] for one in last]) for name in columns]
        cells.append(_spread([_seconds(rounds) for rounds in by_seed.values()], digits=0))
        lines.append("| " + " | ".join(cells) + " |")
    ceilings = [r[-1]["worth"]["ceiling"] for each in told.values() for r in each.values()]
    lines.append(f"\nA perfect policy's win rate: {fmean(ceilings):.3f}.")
    return "\n".join(lines)


def by_round(told: Told) -> str:
    """Markdown; the gold win rate of the champion after every round, means over seeds."""
    count = max(
        (len(rounds) for by_seed in told.values() for rounds in by_seed.values()), default=0
    )
    head = ["win rate after round", *map(str, range(1, count + 1))]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for method, by_seed in told.items():
        after = zip(*by_seed.values(), strict=True)
        cells = [_spread([one["worth"]["win_rate"] for one in each]) for each in after]
        lines.append("| " + " | ".join([method, *cells]) + " |")
    return "\n".join(lines)


def by_temperature(told: Told, start: Start) -> str:
    """Markdown; the last policies at cooler temperatures, and ours as its champions are served."""
    columns = ("win_rate", "win_rate_alike", "gold", "kl", "distinct_2", "repeated_sentences")
    names = ("win rate", "starter as cool", *(name.replace("_", " ") for name in columns[2:]))
    lines = ["| " + " | ".join(("method", "seeds", "temperature", *names)) + " |"]
    lines.append("|" + "---|" * (len(names) + 3))
    last = {method: {s: r[-1] for s, r in by_seed.items()} for method, by_seed in told.items()}
    for method, by_seed in {"the starter": start, **last}.items():
        known = [one for one in by_seed.values() if one.get("cooler")]
        ways = {each: [one["cooler"][each] for one in known] for each in map(str, COOLER)}
        if any(one.get("temperature") for one in known):
            chosen = sorted({f"{one['temperature']:g}" for one in known}, reverse=True)
            ways[f"as served: {', '.join(chosen)}"] = [_served(one) for one in known]
        for way, seen in ways.items():
            if seen:
                cells = [_spread([one[name] for one in seen]) for name in columns]
                lines.append("| " + " | ".join((method, str(len(seen)), way, *cells)) + " |")
    return "\n".join(lines)


def _served(last: dict[str, Any]) -> dict[str, Any]:
    """What a method's last policy is worth to its users: at the temperature it is served at."""
    cold: dict[str, Any] = last.get("cooler", {}).get(f"{last.get('temperature') or 1.0:g}")
    return cold or last["worth"]


def _spread(values: Sequence[float], digits: int = 2) -> str:
    """The mean and half of its 95 % interval; of fewer than ENOUGH the values themselves."""
    if len(values) < ENOUGH:
        return ", ".join(f"{one:.{digits}f}" for one in values)
    off = float(student.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return f"{fmean(values):.{digits}f} ± {off:.{digits}f}"


def _seconds(rounds: Sequence[dict[str, Any]], until: float | None = None) -> float:
    """Of all rounds, or of those up to the first that reaches the win rate `until`."""
    spent = 0.0
    for one in rounds:
        spent += one["seconds"]
        if until is not None and one["worth"]["win_rate"] >= until:
            break
    return spent


def _fall(before: dict[str, float], after: dict[str, float]) -> float:
    """In gold, in standard errors of the difference."""
    error = math.hypot(before["gold_error"], after["gold_error"])
    return (before["gold"] - after["gold"]) / error


def goals(told: Told, start: Start) -> list[Goal]:
    cells = told.get(OURS, {})
    ours = list(cells.values())
    if not ours:
        return []
    won = fmean(one[-1]["worth"]["win_rate"] for one in ours)
    served = {seed: _served(rounds[-1]) for seed, rounds in cells.items()}
    as_served = fmean(one["win_rate"] for one in served.values())
    far = max(one["kl"] for one in served.values())
    falls = [
        _fall(before["worth"], after["worth"])
        for one in ours
        for before, after in pairwise(one)
        if after["promoted"]
    ]
    fell, surely = sum(fall > 0 for fall in falls), sum(fall > SURE for fall in falls)
    held = [
        Goal(
            "gold win rate of the final champion, as served", as_served, ">= 0.90", as_served >= 0.9
        ),
        Goal("... drawn at temperature 1 as the starter", won, ">= 0.90", won >= 0.9),
        Goal("promotions to a champion of lower gold", fell, "0", fell == 0),
        Goal("... lower by more than two standard errors", surely, "0", surely == 0),
        Goal("KL of the final champion, worst seed", far, "<= 10", far <= 10),
    ]
    for name in ("repeated_sentences", "empty"):
        more = fmean(one[name] - start[seed][name] for seed, one in served.items())
        held.append(Goal(f"{name.replace('_', ' ')} above the starter's", more, "<= 0", more <= 0))
    others = {name: told[name] for name in PEERS if name in told}
    if others:
        best = max(
            fmean(r[-1]["worth"]["win_rate"] for r in each.values()) for each in others.values()
        )
        held.append(
            Goal("win rate above the best TRL method", won - best, ">= 0.10", won - best >= 0.1)
        )
    clocked = [each for name, each in others.items() if name != "TRL DPO"]
    if clocked:
        took = min(fmean(_seconds(r, REACHED) for r in each.values()) for each in clocked)
        ratio = took / fmean(_seconds(r, REACHED) for r in ours)
        held.append(Goal(f"seconds to win rate {REACHED} over ours", ratio, ">= 5", ratio >= 5))
    return held


if __name__ == "__main__":
    main()

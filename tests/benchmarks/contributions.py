"""What does each part of ours contribute to what PPO learns? One at a time is set back.

    python -m tests.benchmarks.contributions [--quick] [--seeds N ...] [--work FOLDER]
                                             [--json FILE]

On each tuning seed simulated annotators rate once. From the reward models of those ratings PPO
learns as the product does, and then again with one part set back: everything else, the votes and
the reward models too, stays the same, so that the difference in gold is that part's. Gold, which
nothing here learns from, is the mean of the last iterations' policies.

FOLDER keeps every finished course, so that a run that was stopped goes on.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rlhf.settings import PPO, Reward
from rlhf.starter.world import prompts
from tests.benchmarks._course import COMPARISONS, course, trained_once
from tests.benchmarks._record import cell_name, finish, once, resumable

SEEDS, QUICK_SEEDS = (100, 101, 102), (100,)
LAST = 5
"""Policies whose gold is averaged: 1,280 answers."""
WORK = Path("build/contributions")

Seen = dict[str, list[dict[str, Any]]]
"""Way -> its course on every seed."""


@dataclass(frozen=True, slots=True)
class Way:
    """The product's own, but for what is said."""

    ppo: PPO = field(default_factory=PPO)
    reward: Reward = field(default_factory=Reward)
    pessimism: float = Reward().pessimism


OURS = "ours"
WAYS = {
    OURS: Way(),
    "one reward model": Way(reward=Reward(members=1)),
    "the mean of the members": Way(pessimism=0.0),
    "no KL": Way(PPO(kl_coef=0.0, kl_target=None)),
    "a constant KL weight": Way(PPO(kl_target=None)),
    "no penalty for an answer without an end": Way(PPO(missing_eos_penalty=0.0)),
    "lambda 0.95": Way(PPO(lam=0.95)),
    "rollouts as cool as answers": Way(PPO(rollout_temperature=1.0)),
    "a value with an adapter of its own": Way(PPO(value_layout="adapter")),
    "no steps for the value alone": Way(PPO(value_warmup=0)),
    "half the rate": Way(PPO(learning_rate=PPO().learning_rate / 2)),
    "half the iterations": Way(PPO(iterations=PPO().iterations // 2)),
}


def main() -> None:
    """Learn in every way on every seed; print how far each ends from ours."""
    asked = resumable(__doc__ or "", WORK, "finished courses")
    seen: Seen = {}
    for seed in asked.seeds or (QUICK_SEEDS if asked.quick else SEEDS):
        for name, one in study(seed, asked.work).items():
            seen.setdefault(name, []).append(one)
            print(
                f"seed {seed} {name:40} gold {one['start']:+.2f} -> {ended(one):+.2f}  "
                f"KL {one['kl'][-1]:.1f}  {fmean(one['seconds'][1:]):.2f} s",
                flush=True,
            )
    print(f"\n{table(seen)}")
    finish("contributions", figures(seen), [], asked.json)


def study(seed: int, work: Path) -> dict[str, dict[str, Any]]:
    """Courses of all ways on the ratings of one seed; those that `work` holds are read."""
    asked = prompts("train", 2 * COMPARISONS, seed)
    with tempfile.TemporaryDirectory(prefix="contributions-") as scratch:
        trained = trained_once(Path(scratch), asked, seed)

        def run(way: Way) -> dict[str, Any]:
            return asdict(
                course(
                    trained(way.reward),
                    asked,
                    way.ppo,
                    seed=seed,
                    pessimism=way.pessimism,
                    judged=LAST,
                )
            )

        return {
            name: once(_kept(work, name, seed), partial(run, way)) for name, way in WAYS.items()
        }


def found(folder: Path) -> Seen:
    """The courses of all ways on all tuning seeds, as `folder` keeps them."""
    return {
        name: [json.loads(_kept(folder, name, seed).read_text()) for seed in SEEDS] for name in WAYS
    }


def _kept(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{cell_name(name, seed)}.json"


def figures(seen: Seen) -> dict[str, dict[str, Any]]:
    """Way -> its gold at the end, how far that is from ours, and the KL; means over the seeds."""
    rows = {}
    for name, courses in seen.items():
        less = [ended(one) - ended(own) for one, own in zip(courses, seen[OURS], strict=True)]
        rows[name] = {
            "gold": fmean(map(ended, courses)),
            "less_ours": fmean(less),
            "standard_error": stdev(less) / math.sqrt(len(less)) if len(less) > 1 else None,
            "kl": fmean(one["kl"][-1] for one in courses),
            "courses": courses,
        }
    return rows


def table(seen: Seen) -> str:
    """Markdown; with the standard error of the difference from ours."""
    lines = ["| set back | gold by seed | mean | less ours | KL |", "|---|---|---|---|---|"]
    for name, row in figures(seen).items():
        error = row["standard_error"]
        told = f"{row['less_ours']:+.2f}" + ("" if error is None else f" ± {error:.2f}")
        by_seed = ", ".join(f"{ended(one):.2f}" for one in row["courses"])
        less = "" if name == OURS else told
        lines.append(f"| {name} | {by_seed} | {row['gold']:.2f} | {less} | {row['kl']:.1f} |")
    return "\n".join(lines)


def ended(one: dict[str, Any]) -> float:
    """Gold at the end."""
    return fmean(one["gold"])


if __name__ == "__main__":
    main()

"""What each layout costs or buys in learning: what the value reads, which layers carry adapters.

    python -m tests.benchmarks.layouts [--quick] [--json FILE]

On each seed simulated annotators rate once; every layout learns from those ratings with the
product's defaults, and is compared with the default layout on the same seed. Gold, which no layout
sees, is the mean of the last iterations. The seeds are not those of `learning`.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rlhf.settings import PPO, LoRA, Reward, ValueLayout
from rlhf.starter.world import prompts
from tests.benchmarks._course import COMPARISONS, Course, course, rated, reward_models
from tests.benchmarks._record import finish, parser
from tests.benchmarks.learning import ITERATIONS

SEEDS, QUICK_SEEDS = range(100, 106), range(100, 102)
LAST = 5
"""Iterations whose gold is averaged at the end: 320 answers."""

DEPTHS: dict[str, LoRA] = {
    "all layers": LoRA(adapted_layers="all"),
    "upper half": LoRA(adapted_layers="top-half"),
}
VALUES: tuple[ValueLayout, ...] = ("adapter", "policy", "reward")
DEFAULT = f"all layers, value {PPO().value_layout}"


def main() -> None:
    """Learn with every layout on every seed; print how far each is from the default."""
    asked = parser(__doc__ or "").parse_args()
    seen: dict[str, list[Course]] = {}
    for seed in QUICK_SEEDS if asked.quick else SEEDS:
        for name, one in study(seed).items():
            seen.setdefault(name, []).append(one)
            print(
                f"seed {seed} {name:26} gold {one.start:+.2f} -> {ended(one):+.2f}  "
                f"KL {one.kl[-1]:.1f}  explained {fmean(one.explained[1:]):+.2f}  "
                f"{fmean(one.seconds[1:]):.2f} s",
                flush=True,
            )
    finish("layouts", _table(seen), [], asked.json)


def study(seed: int) -> dict[str, Course]:
    """Courses of all layouts on the ratings of one seed."""
    asked = prompts("train", 2 * COMPARISONS, seed)
    rows = rated(asked[:COMPARISONS], seed)
    told = {}
    with tempfile.TemporaryDirectory(prefix="layouts-") as scratch:
        for depth, lora in DEPTHS.items():
            folder = Path(scratch) / depth
            folders = reward_models(folder, rows, asked, Reward(), seed=seed, lora=lora)
            for value in VALUES:
                ppo = PPO(iterations=ITERATIONS, value_layout=value)
                told[f"{depth}, value {value}"] = course(folders, asked, ppo, seed=seed, lora=lora)
    return told


def ended(one: Course) -> float:
    """Gold at the end."""
    return fmean(one.gold[-LAST:])


def _table(seen: dict[str, list[Course]]) -> dict[str, Any]:
    print("\n| layout | gold at the end | less the default's | KL | explained variance | s |")
    print("|---|---|---|---|---|---|")
    figures = {}
    for name, courses in seen.items():
        pairs = zip(courses, seen[DEFAULT], strict=True)
        less = [ended(one) - ended(other) for one, other in pairs]
        error = stdev(less) / math.sqrt(len(less))
        figures[name] = {
            "gold": fmean(map(ended, courses)),
            "less_default": fmean(less),
            "standard_error": error,
            "kl": fmean(one.kl[-1] for one in courses),
            "explained": fmean(fmean(one.explained[1:]) for one in courses),
            "seconds": fmean(fmean(one.seconds[1:]) for one in courses),
            "courses": [asdict(one) for one in courses],
        }
        row = figures[name]
        print(
            f"| {name} | {row['gold']:+.2f} | {row['less_default']:+.2f} ± {error:.2f} "
            f"| {row['kl']:.1f} | {row['explained']:+.2f} | {row['seconds']:.2f} |"
        )
    return figures


if __name__ == "__main__":
    main()

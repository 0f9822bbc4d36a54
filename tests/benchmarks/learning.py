"""Is the starter world worth having? Naive PPO must be hacked in it, and careful PPO must learn.

    python -m tests.benchmarks.learning [--quick] [--seeds N ...] [--work FOLDER] [--json FILE]

Naive: one reward model, trained at ten times the product's rate, no KL, no penalty for an answer
without an end, a high learning rate, twice the rollouts, and lambda and temperature as PPO mostly
has them (chosen on seeds 100 to 104). Hacked means that within 20 iterations the proxy has risen by
one standard deviation of the start while gold has fallen below the start. Careful: the product's
own ensemble, pessimism, KL control and rates, a round's whole length. Two more have one of these
taken away: without KL, and with a single reward model. All learn from the same ratings of the same
simulated annotators, and a hold-out reward model that learned from others watches: the product's
stop rules are asked after every iteration, and the policy that they would have kept is compared
with the best one on the way. How far gold and the hold-out's opinion of the same answers rank every
iteration's policy alike is told as well.

FOLDER keeps every finished course, so that a run that was stopped goes on.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy.stats import spearmanr

from rlhf.settings import PPO, Reward
from rlhf.starter.world import prompts
from tests.benchmarks._course import COMPARISONS, WINDOW, Course, course, trained_once
from tests.benchmarks._record import Goal, cell_name, finish, once, resumable

SEEDS, QUICK_SEEDS = (0, 1, 2, 3, 4), (0,)
ITERATIONS = 20
NEAR_PEAK = 0.05
"""Share of the largest gain in gold that a stopped policy may lack."""
WORK = Path("build/learning")

NAIVE = PPO(
    iterations=ITERATIONS,
    kl_coef=0.0,
    kl_target=None,
    missing_eos_penalty=0.0,
    lam=0.95,
    rollout_temperature=1.0,
    learning_rate=3e-3,
    value_layout="adapter",
    value_learning_rate=2e-3,
    value_head_learning_rate=2e-3,
    rollouts=128,
    epochs=4,
    approx_kl_stop=10.0,
)
NO_KL = PPO(kl_coef=0.0, kl_target=None)
COURSES = {
    "careful": (Reward(), PPO()),
    "no KL": (Reward(), NO_KL),
    "single": (Reward(members=1), PPO()),
    "naive": (Reward(members=1, learning_rate=1e-3), NAIVE),
}
"""How the reward models that PPO sees are trained, and how PPO is set."""


def main() -> None:
    """Run every seed and say whether the world keeps its promise."""
    asked = resumable(__doc__ or "", WORK, "finished courses")
    seeds = asked.seeds or (QUICK_SEEDS if asked.quick else SEEDS)
    figures: dict[str, Any] = {}
    for seed in seeds:
        figures[str(seed)] = study(seed, asked.work)
        for name, one in figures[str(seed)].items():
            print(
                f"seed {seed} {name:8} {len(one['gold'])} iterations  "
                f"proxy {one['proxy'][0]:+.2f} -> {one['proxy'][-1]:+.2f}  "
                f"gold {one['start']:+.2f} -> {one['gold'][-1]:+.2f} (best {max(one['gold']):+.2f},"
                f" kept {one['gold'][one['kept'] - 1]:+.2f})  KL {one['kl'][-1]:.1f}  "
                f"{'hacked' if one['hacked'] else ''} {one['stopped'] or ''}",
                flush=True,
            )
    hacked = sum(one["naive"]["hacked"] for one in figures.values())
    better = sum(
        fmean(one["careful"]["gold"][-WINDOW:]) > one["careful"]["start"]
        for one in figures.values()
    )
    near = {
        name: sum(one[name]["missed"] <= NEAR_PEAK for one in figures.values())
        for name in ("naive", "no KL", "single")
    }
    ranked = fmean(one["careful"]["rank_correlation"] for one in figures.values())
    every, most = len(seeds), len(seeds) - (len(seeds) > 1)
    goals = [
        Goal("seeds in which naive PPO is hacked", hacked, f">= {most}", hacked >= most),
        Goal("seeds in which careful PPO gains gold", better, f"{every}", better == every),
        *(
            Goal(
                f"seeds in which {name} keeps a policy near its peak",
                found,
                f"{every}",
                found == every,
            )
            for name, found in near.items()
        ),
        Goal("rank correlation of hold-out and gold, careful", ranked, ">= 0.8", ranked >= 0.8),
    ]
    finish("learning", figures, goals, asked.json)


def study(seed: int, work: Path) -> dict[str, dict[str, Any]]:
    """What every course of one seed left; those that `work` holds are read."""
    asked = prompts("train", 2 * COMPARISONS, seed)
    with tempfile.TemporaryDirectory(prefix="learning-") as scratch:
        trained = trained_once(Path(scratch), asked, seed, watched=True)

        def run(name: str) -> dict[str, Any]:
            reward, ppo = COURSES[name]
            return asdict(course(trained(reward), asked, ppo, seed=seed))

        return {
            name: _plain(Course(**once(work / f"{cell_name(name, seed)}.json", partial(run, name))))
            for name in COURSES
        }


def _plain(course: Course) -> dict[str, Any]:
    """The course, and what the goals ask of it."""
    return asdict(course) | {
        "hacked": course.hacked(),
        "missed": course.missed(),
        "rank_correlation": float(spearmanr(course.liked, course.gold).statistic),
    }


if __name__ == "__main__":
    main()

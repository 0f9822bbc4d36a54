"""The benchmark's work on a private Ray cluster, workers of one thread; prints figures as JSON.

python -m tests.benchmarks._ppo_ray SHAPE MODEL WORKERS ITERATIONS SETTINGS
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from ray_jobs.ray_environment import private_environment
from rlhf.home import make_home
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA, Settings
from tests.benchmarks._ppo_work import (
    ALPHA,
    PROMPTS,
    RANK,
    RESPONSE,
    SHAPES,
    ppo_settings,
    questions,
)

REWARD, HOLDOUT = "reward-0", "holdout"


def main(shape_name: str, model: str, size: int, iterations: int, given: dict[str, Any]) -> None:
    """Train for some iterations, the first of which is not counted."""
    home = Path(tempfile.mkdtemp(prefix="ppo-ray-")) / "home"
    make_home(home)
    (home / "run").mkdir(exist_ok=True)
    os.environ |= private_environment(home)
    from ray_jobs.cluster import cluster
    from ray_jobs.messages import Question, WorkerSpec
    from ray_jobs.ppo_round import Workers

    shape = SHAPES[shape_name]
    settings = Settings.model_validate(
        {
            "ppo": ppo_settings(shape) | given,
            "sampling": {"max_new_tokens": RESPONSE},
            "reward": {"pessimism": 0.0},
            "ray": {"workers": size},
        }
    )
    spec = WorkerSpec(
        base=model,
        **_roles(model, home),
        settings=settings,
        seed=0,
        threads=1,
        own_gpu=False,
    )
    asked = [
        Question(number, 0, [{"role": "user", "content": text}])
        for number, text in enumerate(questions(shape))
    ]
    laps, memory = [], 0.0
    with cluster(home, settings.ray, cpus=size):
        workers = Workers(spec, size)
        for iteration in range(iterations):
            started = time.perf_counter()
            at = iteration * shape.batch
            batch = [asked[(at + row) % PROMPTS] for row in range(shape.batch)]
            rolled = workers.roll_out(iteration, batch)
            figures = {**workers.update(iteration), **rolled}
            wall = time.perf_counter() - started
            phases = {n[5:]: seconds for n, seconds in figures.items() if n.startswith("time/")}
            laps.append({"iteration": wall, "overhead": wall - sum(phases.values()), **phases})
            memory = max(memory, _tree_memory())
    print(json.dumps({"laps": laps[1:], "memory": memory}))


def _roles(model: str, home: Path) -> dict[str, Any]:
    """Folders of a policy, one reward member and a hold-out, all untrained."""
    roles = RoleModel(load_base(model), load_tokenizer(model))
    for seed, name in enumerate(("policy", REWARD, HOLDOUT)):
        roles.add_role(name, LoRA(r=RANK, alpha=ALPHA), head=name != "policy", seed=seed)
        roles.save_role(name, home / name)
    return {
        "policy": str(home / "policy"),
        "members": {REWARD: str(home / REWARD)},
        "holdout": str(home / HOLDOUT),
    }


def _tree_memory() -> float:
    """GiB of this process and everything below it; shared pages are counted once (PSS)."""
    me = psutil.Process()
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**30


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5]))

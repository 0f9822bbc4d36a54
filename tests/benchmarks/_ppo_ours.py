"""One process of our engine on the benchmark's work; prints its figures as JSON.

python -m tests.benchmarks._ppo_ours SHAPE MODEL ITERATIONS SETTINGS
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from rlhf.models.base import load_base, load_tokenizer, ppo_dtype
from rlhf.models.roles import RoleModel
from rlhf.ppo.learner import Learner
from rlhf.ppo.rollout import PromptItem
from rlhf.ppo.scoring import add_value
from rlhf.settings import PPO, LoRA, Sampling
from tests.benchmarks._ppo_work import (
    ALPHA,
    PROMPTS,
    RANK,
    RESPONSE,
    SHAPES,
    peak_memory,
    ppo_settings,
    queries,
)

REWARD = "reward-0"


def main(shape_name: str, model: str, iterations: int, settings: dict[str, Any]) -> None:
    """Train for some iterations, the first of which is not counted."""
    torch.set_num_threads(2)
    shape = SHAPES[shape_name]
    lora = LoRA(r=RANK, alpha=ALPHA, adapted_layers=settings.pop("adapted_layers", "all"))
    ppo = PPO.model_validate(ppo_settings(shape) | settings)
    dtype = ppo_dtype(model, ppo.precision)
    roles = RoleModel(load_base(model, dtype=dtype), load_tokenizer(model))
    roles.add_role("policy", lora, head=False, seed=0)
    roles.add_role(REWARD, lora, head=True, seed=1)
    add_value(roles, ppo.value_layout, REWARD)
    learner = Learner(
        roles,
        ppo,
        Sampling(max_new_tokens=RESPONSE, temperature=1.0),
        members=[REWARD],
        pessimism=0.0,
        seed=0,
    )
    asked = queries(roles.tokenizer, shape)
    laps = []
    for iteration in range(iterations):
        started = time.perf_counter()
        batch = [(iteration * shape.batch + row) % PROMPTS for row in range(shape.batch)]
        shard = learner.rollout(iteration, [PromptItem(i, iteration, asked[i]) for i in batch])
        rolled = time.perf_counter()
        figures = learner.update(iteration, shard)
        ended = time.perf_counter()
        generate = figures["time/generate"]
        laps.append(
            {
                "iteration": ended - started,
                "generate": generate,
                "score": rolled - started - generate,
                "update": ended - rolled,
                "tokens": figures["completions/mean_length"] * shape.batch,
            }
        )
    precision = "bf16" if dtype == torch.bfloat16 else "fp32"
    print(json.dumps({"laps": laps[1:], "memory": peak_memory(), "precision": precision}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))

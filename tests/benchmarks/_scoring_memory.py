"""One process that scores sequences with some reward models on one base; prints its peak memory.

python -m tests.benchmarks._scoring_memory SHAPE MODEL MEMBERS
"""

from __future__ import annotations

import json
import sys

import torch

from reward.scoring import score_ids
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA
from tests.benchmarks._ppo_work import ALPHA, QUERY, RANK, RESPONSE, SHAPES, peak_memory

SEQUENCES = 256


def main(shape_name: str, model: str, members: int) -> None:
    """Score the same random sequences with every member."""
    torch.set_num_threads(2)
    roles = RoleModel(load_base(model), load_tokenizer(model))
    names = [f"reward-{number}" for number in range(members)]
    for seed, name in enumerate(names):
        roles.add_role(name, LoRA(r=RANK, alpha=ALPHA), head=True, seed=seed)
    torch.manual_seed(0)
    shape = SHAPES[shape_name]
    sequences = torch.randint(shape.vocabulary, (SEQUENCES, QUERY + RESPONSE)).tolist()
    for name in names:
        score_ids(roles, name, sequences)
    print(json.dumps({"gib": peak_memory()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

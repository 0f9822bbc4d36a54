"""One of N equal PPO workers: a base with every role's adapter, a shard of each batch.

A thin shell around `rlhf.ppo.learner`, made a Ray actor by `ppo_round`. After every update all
workers hold the same training state, so any of them can hand it out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import ray
import torch
from safetensors.torch import load, save

from ray_jobs import process_group
from ray_jobs.messages import Question, WorkerSpec
from reward.report import HOLDOUT
from rlhf.models.base import load_base, load_tokenizer, ppo_dtype
from rlhf.models.roles import RoleModel
from rlhf.models.text import decode, prompt_ids
from rlhf.ppo.experience import Experience
from rlhf.ppo.kl import k1
from rlhf.ppo.learner import Learner
from rlhf.ppo.rollout import PromptItem
from rlhf.ppo.scoring import POLICY, add_value
from rlhf.store.metrics import Sampled

SAMPLES = 4
"""Answers of an iteration that people can read."""


class PolicyWorker:
    """Rolls out, scores and updates; `rank` of `size`."""

    def __init__(self, rank: int, size: int, spec: WorkerSpec) -> None:
        torch.set_num_threads(spec.threads)
        self.rank, self.size, self.spec = rank, size, spec
        self.tokenizer = load_tokenizer(spec.base)
        dtype = ppo_dtype(spec.base, spec.settings.ppo.precision)
        self.roles = RoleModel(load_base(spec.base, dtype=dtype), self.tokenizer)
        self.roles.load_role(POLICY, Path(spec.policy))
        for name, folder in (*spec.members.items(), (HOLDOUT, spec.holdout)):
            self.roles.load_role(name, Path(folder))
        add_value(self.roles, spec.settings.ppo.value_layout, min(spec.members))
        self.shard: Experience | None = None
        self.asked: Sequence[Question] = ()

    def address(self) -> str:
        """Where rank 0 will listen for the others."""
        return process_group.free_address(ray.util.get_node_ip_address())

    def join(self, address: str) -> None:
        """Meet the other workers and set up the learner. Collective."""
        self.learner = Learner(
            self.roles,
            self.spec.settings.ppo,
            self.spec.settings.sampling,
            members=sorted(self.spec.members),
            pessimism=self.spec.settings.reward.pessimism,
            seed=self.spec.seed,
            reduce=process_group.join(address, self.rank, self.size, own_gpu=self.spec.own_gpu),
        )

    def roll_out(self, iteration: int, questions: Sequence[Question]) -> dict[str, float]:
        """Answer and score this worker's prompts; keeps them for `samples` and `update`.

        Returns the hold-out's mean score of the answers: a figure for people and stops, which the
        reward never contains.
        """
        self.asked = questions
        self.shard = self.learner.rollout(iteration, self._items(questions))
        started = time.monotonic()
        holdout = self.learner.scorer.scores(HOLDOUT, self.shard)
        return {
            "objective/holdout": float(holdout.mean()),
            "time/holdout": time.monotonic() - started,
        }

    def samples(self) -> list[Sampled]:
        """A few of the answers that `roll_out` kept, from the lowest score to the highest."""
        assert self.shard is not None
        order = self.shard.score.argsort(stable=True)
        places = torch.linspace(0, len(order) - 1, min(SAMPLES, len(order))).round().long()
        kl = k1(self.shard.logprob, self.shard.ref_logprob).sum(dim=1)
        return [
            Sampled(
                prompt_id=self.asked[row].prompt_id,
                response=decode(
                    self.tokenizer,
                    self.shard.ids[row][self.shard.response_mask[row].bool()].tolist(),
                ),
                score=float(self.shard.score[row]),
                kl=float(kl[row]),
                finished=bool(self.shard.finished[row]),
            )
            for row in order[places].tolist()
        ]

    def update(self, iteration: int) -> dict[str, float]:
        """Improve the policy on all workers' shards. Collective; same figures everywhere."""
        assert self.shard is not None
        return self.learner.update(iteration, self.shard)

    def state(self) -> tuple[bytes, dict[str, object]]:
        """Everything that a resumed run needs: tensors, as safetensors, and plain values."""
        tensors, meta = self.learner.state()
        return save(tensors), meta

    def restore(self, tensors: bytes, meta: dict[str, object]) -> None:
        """Continue from a saved state."""
        self.learner.restore(load(tensors), meta)

    def export(self, folder: str) -> None:
        """Write the policy as a standard PEFT adapter folder."""
        self.roles.save_role(POLICY, Path(folder))

    def _items(self, questions: Sequence[Question]) -> list[PromptItem]:
        sampling = self.spec.settings.sampling
        return [
            PromptItem(q.prompt_id, q.sample, prompt_ids(self.tokenizer, q.messages, sampling))
            for q in questions
        ]

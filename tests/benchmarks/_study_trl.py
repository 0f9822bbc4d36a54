"""One round of a TRL method in a process of its own: votes in, a PEFT adapter out.

python -m tests.benchmarks._study_trl {dpo,rloo,ppo} JOB

JOB is a JSON file with the fields of `Job`. PPO is TRL 1.12.0's, the last that had it, from a
folder of its own; DPO and RLOO are the installed TRL's. RLOO and PPO are paid by the mean of the
same reward ensemble, less for an answer without an end, and draw as many answers as ours does.
Prints the seconds of training.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from reward.preferences import table
from reward.scoring import score_ids
from rlhf import starter
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.text import prompt_ids
from rlhf.settings import PPO, LoRA
from rlhf.starter.world import prompts
from tests.benchmarks._starter_pairs import SAMPLING
from tests.benchmarks._study_votes import kept

OURS = PPO()
MISSING_END = OURS.missing_eos_penalty
WARM = SAMPLING.temperature * OURS.rollout_temperature
"""Suits RLOO and PPO here as it does ours; the search for this and the rates is in docs/lab.md."""


@dataclass(frozen=True, slots=True)
class Job:
    """Paths, and how the method is set."""

    out: str
    """Where the adapter goes."""
    start: str | None
    """Adapter to go on from; None: a fresh one."""
    votes: str
    """Preferences, for DPO."""
    rewards: list[str]
    """Folders of reward models, for RLOO and PPO."""
    trl: str
    """Folder with TRL 1.12.0, for PPO."""
    seed: int


def dpo(job: Job) -> PeftModel:
    """Direct preference optimisation on all votes so far (Rafailov et al., 2023)."""
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    rows = table(kept(Path(job.votes)))[["prompt", "chosen", "rejected"]]
    trainer = DPOTrainer(
        model=_policy(job),
        args=DPOConfig(
            **_plain(job),
            per_device_train_batch_size=16,
            num_train_epochs=3,
            learning_rate=5e-4,
            beta=0.1,
        ),
        train_dataset=Dataset.from_pandas(rows),
        processing_class=AutoTokenizer.from_pretrained(starter.MODEL_PATH),
    )
    trainer.train()
    assert isinstance(trainer.model, PeftModel)
    return trainer.model


def rloo(job: Job) -> PeftModel:
    """REINFORCE leave-one-out (Ahmadian et al., 2024)."""
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    ensemble = Ensemble(job.rewards)

    def paid(completion_ids: list[list[int]], prompts: list[Any], **_: Any) -> list[float | None]:
        return ensemble.score(
            [
                [*prompt_ids(ensemble.tokenizer, one, SAMPLING), *ids]
                for one, ids in zip(prompts, completion_ids, strict=True)
            ]
        ).tolist()

    trainer = RLOOTrainer(
        model=_policy(job),
        reward_funcs=paid,
        args=RLOOConfig(
            **_plain(job),
            per_device_train_batch_size=OURS.rollouts,
            num_generations=4,
            num_iterations=OURS.epochs,
            max_steps=OURS.iterations * OURS.epochs,
            learning_rate=2e-3,
            beta=0.05,
            temperature=WARM,
            max_completion_length=SAMPLING.max_new_tokens,
        ),
        train_dataset=Dataset.from_dict({"prompt": _asked(job)}),
        processing_class=AutoTokenizer.from_pretrained(starter.MODEL_PATH),
    )
    trainer.train()
    assert isinstance(trainer.model, PeftModel)
    return trainer.model


def ppo(job: Job) -> PeftModel:
    """PPO with a second model as value, which starts as the first reward model."""
    sys.path.insert(0, job.trl)
    import trl

    assert trl.__version__ == "1.12.0", trl.__version__
    made = importlib.import_module("trl.experimental.ppo")
    ensemble = Ensemble(job.rewards)
    plain_reward = made.ppo_trainer.get_reward

    def get_reward(model: nn.Module, rows: Tensor, pad: int, context: int) -> Any:
        if model is not ensemble:
            return plain_reward(model, rows, pad, context)
        return None, ensemble.score([row[row != pad].tolist() for row in rows], ends=False), None

    made.ppo_trainer.get_reward = get_reward
    tokenizer = AutoTokenizer.from_pretrained(starter.MODEL_PATH, padding_side="left")
    trainer = made.PPOTrainer(
        args=made.PPOConfig(
            **_plain(job),
            per_device_train_batch_size=16,
            gradient_accumulation_steps=4,
            num_mini_batches=4,
            num_ppo_epochs=2,
            total_episodes=OURS.iterations * OURS.rollouts,
            learning_rate=1e-3,
            kl_coef=0.05,
            lam=OURS.lam,
            temperature=WARM,
            response_length=SAMPLING.max_new_tokens,
            stop_token="eos",
            missing_eos_penalty=MISSING_END,
            local_rollout_forward_batch_size=64,
            num_sample_generations=0,
        ),
        processing_class=tokenizer,
        model=_policy(job),
        ref_model=None,
        reward_model=ensemble,
        value_model=ensemble.as_classifier(),
        train_dataset=Dataset.from_dict(
            {"input_ids": [prompt_ids(tokenizer, one, SAMPLING) for one in _asked(job)]}
        ),
    )
    trainer.train()
    policy: PeftModel = trainer.accelerator.unwrap_model(trainer.model).policy
    return policy


class Ensemble(nn.Module):
    """The mean of reward models, as one that scores token ids."""

    def __init__(self, folders: Sequence[str]) -> None:
        super().__init__()
        self.tokenizer = load_tokenizer(starter.MODEL_PATH)
        self._roles = [RoleModel(load_base(starter.MODEL_PATH), self.tokenizer)]
        self._names = [Path(folder).name for folder in folders]
        for name, folder in zip(self._names, folders, strict=True):
            self._roles[0].load_role(name, folder)

    def score(self, sequences: Sequence[Sequence[int]], *, ends: bool = True) -> Tensor:
        """[N]; with `ends`, an answer without an end is worth less."""
        roles, end = self._roles[0], self.tokenizer.eos_token_id
        found = sum(score_ids(roles, name, sequences) for name in self._names) / len(self._names)
        score = torch.as_tensor(found, dtype=torch.float32)
        missing = torch.tensor([ids[-1] != end for ids in sequences], dtype=torch.float32)
        return score - MISSING_END * missing * ends

    def as_classifier(self) -> nn.Module:
        """The first reward model as a model of its own, for the value to start from."""
        roles, name = self._roles[0], self._names[0]
        folder = tempfile.mkdtemp(prefix="value-")
        roles.save_role(name, folder)
        told: dict[str, Any] = {"dtype": torch.float32}
        speaker = AutoModelForCausalLM.from_pretrained(starter.MODEL_PATH, **told)
        merged: Any = PeftModel.from_pretrained(speaker, folder).merge_and_unload()
        judge: Any = AutoModelForSequenceClassification.from_pretrained(
            starter.MODEL_PATH, num_labels=1, **told
        )
        judge.base_model.load_state_dict(merged.base_model.state_dict())
        head = roles.heads[name]
        with torch.no_grad():
            judge.score.weight.copy_((head.weight * head.gain).reshape(1, -1))
        return judge  # type: ignore[no-any-return]


def _asked(job: Job) -> list[list[dict[str, str]]]:
    return [one.messages for one in prompts("train", 2000, job.seed)]


def _policy(job: Job) -> PeftModel:
    model = AutoModelForCausalLM.from_pretrained(starter.MODEL_PATH, dtype=torch.float32)
    if job.start is not None:
        return PeftModel.from_pretrained(model, job.start, is_trainable=True)
    lora = LoRA()
    told = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    torch.manual_seed(job.seed)
    policy = get_peft_model(model, told)
    assert isinstance(policy, PeftModel)
    return policy


def _plain(job: Job) -> dict[str, Any]:
    return {
        "output_dir": tempfile.mkdtemp(prefix="study-"),
        "seed": job.seed,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }


METHODS = {"dpo": dpo, "rloo": rloo, "ppo": ppo}


def main(method: str, file: str) -> None:
    """Train, write the adapter, tell the seconds."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    job = Job(**json.loads(Path(file).read_text()))
    started = time.perf_counter()
    trained = METHODS[method](job)
    seconds = time.perf_counter() - started
    trained.save_pretrained(job.out, selected_adapters=["default"])
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

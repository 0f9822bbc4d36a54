"""One reward model: a LoRA adapter and a head on the frozen base, trained by TRL's RewardTrainer.

TRL trains the very RoleModel that PPO scores with, on the very token ids that PPO scores, so that
a score means the same in both. One process, no Ray: the caller decides on threads and machines.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, gcd
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import (
    PreTrainedConfig,
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer

from reward.calibration import accuracy
from reward.preferences import Preference
from reward.report import MemberReport
from reward.scoring import Encoded, Encoder, differences
from reward.splits import Job
from rlhf.errors import UsageError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA, Reward, Sampling

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line for people."""
MIN_STEPS = 32
"""Fewer optimiser steps underfit a small set, however often each row is seen: with 50 noisy
preferences 32 steps instead of 16 gave 0.70 instead of 0.66 on new pairs (mean of 4 sets)."""
MICRO_BATCH = 8
"""Preferences per forward pass: bounds memory, and was 15 % faster than 16 on one CPU core."""


def train_member(
    base: str | Path,
    job: Job,
    heldout: Sequence[Preference],
    folder: Path,
    *,
    settings: Reward,
    lora: LoRA,
    sampling: Sampling,
    progress: Progress = lambda done, total, text: None,
) -> MemberReport:
    """Train one reward model and save it as the role folder `folder`.

    base: folder or hub id of the causal LM; job: role name, training rows and seed; heldout:
    preferences on prompts that no job has, measured after training.
    `folder` gets a PEFT adapter, head.safetensors and head.json, for RoleModel.load_role.
    The same rows, settings and seed give the same bytes on CPU with the same number of threads.
    Raises UsageError without rows that fit the base's context, ModelError for an unusable base.
    """
    started = time.monotonic()
    tokenizer = load_tokenizer(base)
    roles = RoleModel(load_base(base), tokenizer)
    roles.add_role(job.name, lora, head=True, seed=job.seed)
    encoder = Encoder(tokenizer, sampling, longest=roles.context)
    rows = encoder.pairs(job.rows)
    if not rows:
        raise UsageError(f"Reward model {job.name} has no preference to train on. Collect ratings")
    fitted = fit(roles, job.name, rows, settings, seed=job.seed, progress=progress)
    roles.save_role(job.name, folder)
    return MemberReport(
        name=job.name,
        seed=job.seed,
        preferences=len({pair.source.rating_id for pair in rows}),
        rows=len(rows),
        steps=fitted.steps,
        loss=fitted.loss,
        accuracy=accuracy(differences(roles, job.name, encoder.pairs(heldout))),
        seconds=time.monotonic() - started,
        too_long=len(job.rows) - len(rows),
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a finished training leaves besides the weights."""

    steps: int
    loss: float
    """Mean over the last epoch, in nats."""


def fit(
    roles: RoleModel,
    role: str,
    rows: Sequence[Encoded],
    settings: Reward,
    *,
    seed: int,
    progress: Progress,
) -> Fitted:
    """Minimise -log sigmoid(chosen - rejected - margin) + centre * (chosen + rejected)^2.

    Bradley and Terry (1952) as in Ouyang et al. (2022, eq. 1), with the margin of Touvron et
    al. (2023, eq. 2) and the centring of Eisenstein et al. (2023, eq. 2). Trains the role's
    adapter and head in place; AdamW, learning rate falling linearly to 0, `epochs` passes or
    MIN_STEPS steps, whichever is more.
    """
    watch = _Watch(role, progress)
    with tempfile.TemporaryDirectory(prefix="reward-") as scratch:
        trainer = _LocalRewardTrainer(
            model=_TrainableRole(roles, role),
            args=_arguments(settings, len(rows), seed, scratch),
            train_dataset=_dataset(rows),
            processing_class=roles.tokenizer,
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return Fitted(steps=trainer.state.global_step, loss=watch.loss)


def _arguments(settings: Reward, rows: int, seed: int, scratch: str) -> RewardConfig:
    together = gcd(settings.batch_size, MICRO_BATCH)
    return RewardConfig(
        output_dir=scratch,
        seed=seed,
        data_seed=seed,
        learning_rate=settings.learning_rate,
        max_steps=max(MIN_STEPS, settings.epochs * ceil(rows / settings.batch_size)),
        per_device_train_batch_size=together,
        gradient_accumulation_steps=settings.batch_size // together,
        center_rewards_coefficient=settings.centre or None,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        max_length=None,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        activation_checkpointing=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="epoch",
        report_to="none",
        disable_tqdm=True,
    )


def _dataset(rows: Sequence[Encoded]) -> Dataset:
    """TRL's tokenised preference format; `length` groups rows of like length into batches."""
    return Dataset.from_dict(
        {
            "chosen_ids": [pair.chosen for pair in rows],
            "rejected_ids": [pair.rejected for pair in rows],
            "margin": [pair.source.margin for pair in rows],
            "length": [max(len(pair.chosen), len(pair.rejected)) for pair in rows],
        }
    )


class _LocalRewardTrainer(RewardTrainer):
    """TRL's trainer, which tells nobody that it was used."""

    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""


class _TrainableRole(PreTrainedModel):
    """One role of a RoleModel in the shape of a sequence classifier, as TRL expects.

    Hugging Face's own classifiers find the last token by comparing with the pad token, which
    reads the wrong place when a tokenizer pads with its end token; a role reads at the last
    attended token.
    """

    config_class = PreTrainedConfig

    def __init__(self, roles: RoleModel, role: str) -> None:
        config = PreTrainedConfig(num_labels=1)  # type: ignore[call-arg]
        for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
            setattr(config, token, getattr(roles.tokenizer, token))
        super().__init__(config)
        self.trained = nn.ParameterList(
            parameter.requires_grad_() for _, parameter in roles.trainable(role)
        )
        self._score: Callable[[Tensor, Tensor], Tensor] = partial(roles.scores, role)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, **ignored: Any
    ) -> SequenceClassifierOutput:
        """logits: [B, 1], the scores of B sequences."""
        scores = self._score(input_ids, attention_mask)
        return SequenceClassifierOutput(logits=scores.unsqueeze(-1))


class _Watch(TrainerCallback):
    """Passes steps on as progress and keeps the last epoch's loss."""

    def __init__(self, role: str, progress: Progress) -> None:
        self.loss = float("nan")
        self._role, self._progress = role, progress

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """One optimiser step is done."""
        self._progress(state.global_step, state.max_steps, f"training {self._role}")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """An epoch is done: its mean loss is in the newest entry that has one."""
        self.loss = next(
            (entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), self.loss
        )

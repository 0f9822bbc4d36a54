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
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
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
from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer

from reward import probe
from reward.calibration import accuracy
from reward.preferences import Preference
from reward.report import MemberReport
from reward.scoring import Encoded, Encoder, differences
from reward.splits import Job
from reward.states import state_differences
from rlhf.errors import UsageError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import LoRA, Reward, Sampling

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line for people."""
MIN_STEPS = 32
"""Fewer optimiser steps underfit a small set, however often each row is seen: with 50 noisy
preferences 32 steps instead of 16 gave 0.70 instead of 0.66 on new pairs (mean of 4 sets)."""
PATIENCE = 2
"""Looks at the stopping rows without a lower loss after which training ends."""
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

    base: folder or hub id of the causal LM; job: role name, training rows, rows by which to stop,
    and seed; heldout: preferences on prompts that this job has not, measured after training.
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
    stopping = encoder.pairs(job.stopping)
    fitted = fit(
        roles, job.name, rows, settings, seed=job.seed, stopping=stopping, progress=progress
    )
    roles.save_role(job.name, folder)
    return MemberReport(
        name=job.name,
        seed=job.seed,
        preferences=len({pair.source.rating_id for pair in rows}),
        rows=len(rows),
        steps=fitted.steps,
        loss=fitted.loss,
        stopping_loss=fitted.stopping_loss,
        accuracy=accuracy(differences(roles, job.name, encoder.pairs(heldout))),
        seconds=time.monotonic() - started,
        too_long=len(job.rows) - len(rows),
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a finished training leaves besides the weights."""

    steps: int
    """Optimiser steps behind the weights that were kept."""
    loss: float
    """Mean over the last epoch, in nats."""
    stopping_loss: float | None
    """The lowest on the stopping rows, in nats; None without such rows."""


def fit(
    roles: RoleModel,
    role: str,
    rows: Sequence[Encoded],
    settings: Reward,
    *,
    seed: int,
    stopping: Sequence[Encoded] = (),
    progress: Progress,
) -> Fitted:
    """Minimise w (-log sigmoid(chosen - rejected - margin) + centre * (chosen + rejected)^2).

    Bradley and Terry (1952) as in Ouyang et al. (2022, eq. 1), with the margin of Touvron et
    al. (2023, eq. 2) and the centring of Eisenstein et al. (2023, eq. 2); w is a row's weight
    over the mean of all. Trains the role's adapter and head in place; AdamW, learning rate
    falling linearly to 0, `epochs` passes or MIN_STEPS steps, whichever is more. After every pass
    the loss on the `stopping` rows is looked at: the weights with the lowest are kept, and
    PATIENCE passes without a lower one end the training.
    """
    _start_linear(roles, role, rows, stopping)
    watch = _Watch(role, [one for _, one in roles.trainable(role)], progress)
    with tempfile.TemporaryDirectory(prefix="reward-") as scratch:
        trainer = _LocalRewardTrainer(
            model=_TrainableRole(roles, role),
            args=_arguments(settings, len(rows), seed, scratch, watched=bool(stopping)),
            train_dataset=_dataset(rows),
            eval_dataset=_dataset(stopping) if stopping else None,
            data_collator=_Collator(roles.tokenizer.pad_token_id),
            processing_class=roles.tokenizer,
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        if stopping:
            trainer.evaluate()
        trainer.train()
    steps = watch.restore() if stopping else trainer.state.global_step
    return Fitted(steps, watch.loss, watch.lowest if stopping else None)


@torch.no_grad()
def _start_linear(
    roles: RoleModel, role: str, rows: Sequence[Encoded], stopping: Sequence[Encoded]
) -> None:
    """Let the head begin as the linear probe of the base's states.

    Probe first, then fine-tune (Kumar et al., 2022): from a random head the first steps would
    bend the states towards nothing in particular, and on a few hundred noisy preferences they
    did not come back.
    """
    learning, choosing = (
        state_differences(roles, [(pair.chosen, pair.rejected) for pair in pairs])
        for pairs in (rows, stopping)
    )
    weights = np.array([pair.source.weight for pair in rows])
    direction = torch.from_numpy(probe.fit(learning, choosing, weights))
    roles.heads[role].weight.copy_(direction)


def _arguments(
    settings: Reward, rows: int, seed: int, scratch: str, *, watched: bool
) -> RewardConfig:
    together = gcd(settings.batch_size, MICRO_BATCH)
    epoch = ceil(rows / settings.batch_size)
    return RewardConfig(
        output_dir=scratch,
        seed=seed,
        data_seed=seed,
        learning_rate=settings.learning_rate,
        max_steps=max(MIN_STEPS, settings.epochs * epoch),
        eval_strategy="steps" if watched else "no",
        eval_steps=max(epoch, MIN_STEPS // settings.epochs) if watched else None,
        per_device_eval_batch_size=4 * together,
        prediction_loss_only=True,
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
    """TRL's tokenised preference format with weights, whose mean is 1.

    `length` groups rows of like length into batches.
    """
    mean = sum(pair.source.weight for pair in rows) / len(rows)
    return Dataset.from_dict(
        {
            "chosen_ids": [pair.chosen for pair in rows],
            "rejected_ids": [pair.rejected for pair in rows],
            "margin": [pair.source.margin for pair in rows],
            "weight": [pair.source.weight / mean for pair in rows],
            "length": [max(len(pair.chosen), len(pair.rejected)) for pair in rows],
        }
    )


class _Collator(DataCollatorForPreference):
    """TRL's batches, and the rows' weights [B / 2] with them."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """A padded batch; chosen first, then rejected."""
        weights = torch.tensor([one["weight"] for one in examples], dtype=torch.float)
        return {**super().torch_call(examples), "weight": weights}


class _LocalRewardTrainer(RewardTrainer):
    """TRL's trainer, which tells nobody that it was used, and in which rows have weights.

    TRL takes a plain mean over rows. Here it makes the pass and keeps its figures; the loss is put
    together again from the same scores.
    """

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The mean of weight times loss; TRL's own loss where all weights are 1."""
        weights = inputs.pop("weight")
        _, outputs = super().compute_loss(  # type: ignore[no-untyped-call]
            model, inputs, True, num_items_in_batch
        )
        chosen, rejected = outputs.logits.squeeze(-1).chunk(2)
        losses = -logsigmoid(chosen - rejected - inputs["margin"])
        centre = cast(RewardConfig, self.args).center_rewards_coefficient
        if centre is not None:
            losses = losses + centre * (chosen + rejected) ** 2
        loss = (weights * losses).mean()
        return (loss, outputs) if return_outputs else loss

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
    """Passes steps on as progress, keeps the last epoch's loss and the best weights."""

    def __init__(self, role: str, trained: list[nn.Parameter], progress: Progress) -> None:
        self.loss = float("nan")
        self.lowest = float("inf")
        self._best: tuple[int, list[Tensor]] = (0, [one.detach().clone() for one in trained])
        self._waited = 0
        self._role, self._trained, self._progress = role, trained, progress

    @torch.no_grad()
    def restore(self) -> int:
        """Put the weights back whose stopping loss was lowest; returns the step they are of."""
        step, weights = self._best
        for parameter, kept in zip(self._trained, weights, strict=True):
            parameter.copy_(kept)
        return step

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The stopping rows were looked at."""
        loss = given["metrics"]["eval_loss"]
        if loss < self.lowest:
            self.lowest, self._waited = loss, 0
            self._best = (state.global_step, [one.detach().clone() for one in self._trained])
            return
        self._waited += 1
        control.should_training_stop = self._waited >= PATIENCE

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

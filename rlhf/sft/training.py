"""An adapter on the frozen base, trained by TRL's SFTTrainer so that a kill costs little.

The order of all rows over all epochs is drawn once from the seed, and every `save_every` steps
the trainer's whole state is renamed into place: a training that was killed goes on from there and
ends, on a CPU with the same number of threads, in the same bytes. One process, no Ray.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import ceil, gcd
from pathlib import Path
from random import Random
from typing import Any, cast

import pyarrow as pa
import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers import PreTrainedTokenizerBase as Tokenizer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from rlhf.durable import move_into_place
from rlhf.models import role_files
from rlhf.models.adapters import lora_config
from rlhf.settings import SFT, LoRA
from rlhf.sft import MICRO_BATCH
from rlhf.sft.rows import IGNORED, Row

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line for people."""
POOL = 50
"""Batches that are sorted by length together, so that little is padding."""
ADAPTER = "default"
"""PEFT's own name, under which the trainer saves and finds it again."""
TRAINER, STATE = "trainer", "state-"
"""In the folder of a training: where the trainer writes, and the finished states by their step."""
WATCH, BEST = "watch.json", "best.safetensors"
"""In a resume folder beside the trainer's own files: what the validation rows showed so far."""


@dataclass(slots=True)
class Seen:
    """What the validation loss was, in nats per learned token."""

    before: float | None = None
    """Of the untouched base; None without validation rows."""
    lowest: float | None = None
    best_step: int = 0
    waited: int = 0
    """Looks since the lowest."""
    looked: int = -1
    """The step of the last look."""
    loss: float | None = None
    """Mean of the training steps up to the last save, in nats per learned token."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a finished training leaves besides the weights."""

    steps: int
    """Optimiser steps that were taken."""
    best_step: int
    """Steps behind the weights that were kept."""
    steps_planned: int
    train_loss: float | None
    """Nats per learned token, the mean of the last steps that were logged together."""
    validation_loss: float | None
    """Of the weights that were kept; None without validation rows."""
    validation_loss_before: float | None


def fit(
    base: PreTrainedModel,
    tokenizer: Tokenizer,
    train: Sequence[Row],
    validation: Sequence[Row],
    folder: Path,
    target: Path,
    *,
    settings: SFT,
    lora: LoRA,
    seed: int,
    progress: Progress = lambda done, total, text: None,
) -> Fitted:
    """Minimise the mean loss per learned token; write the best adapter into `target`.

    AdamW; the learning rate rises, then falls along a cosine to 0. The validation rows are looked
    at `evaluations` times and at the end; the weights with the lowest loss are kept, the untouched
    ones among them, and `patience` looks without a lower one end the training. Without validation
    rows the last weights are kept. `folder` holds the states to resume from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / TRAINER, ignore_errors=True)
    model = _adapted(base, lora, seed)
    order = _order(train, settings, seed)
    steps = ceil(len(order) / settings.batch_size)
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    watch = _Watch(model, folder, settings.patience, progress)
    last = next(reversed(_states(folder)), None)
    if last:
        watch.read(last)
    trainer = _LocalSFTTrainer(
        model=model,
        args=_arguments(settings, steps, seed, folder, watched=bool(validation)),
        train_dataset=_dataset(train).select(order),
        eval_dataset=_dataset(validation) if validation else None,
        data_collator=DataCollatorForLanguageModeling(pad_token_id=int(pad_id)),
        processing_class=tokenizer,
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.validation = validation
    if validation and watch.seen.before is None:
        progress(0, steps, "looking at the validation rows")
        trainer.evaluate()
    if last and watch.had_enough:
        done = watch.seen.looked
    else:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        done = trainer.state.global_step
    if validation and watch.seen.looked != done:
        trainer.evaluate()
    if validation:
        watch.restore()
    target.mkdir(parents=True, exist_ok=True)
    role_files.write_adapter(model, ADAPTER, target, base.name_or_path)
    return Fitted(
        steps=done,
        steps_planned=steps,
        best_step=watch.seen.best_step if validation else done,
        train_loss=watch.seen.loss,
        validation_loss=watch.seen.lowest,
        validation_loss_before=watch.seen.before,
    )


@torch.no_grad()
def mean_loss(model: nn.Module, rows: Sequence[Row]) -> float:
    """Nats per learned token, over all rows alike: their perplexity is its exponential.

    Rows of like length go together; the sum runs in fp64.
    """
    device = next(model.parameters()).device
    total, count = 0.0, 0
    was_training = model.training
    model.eval()
    for some in _cut(sorted(rows, key=lambda row: len(row.ids)), MICRO_BATCH):
        ids, labels = _padded(some, device)
        logits = model(input_ids=ids, use_cache=False).logits
        losses = cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum"
        )
        total += float(losses)
        count += int((labels[:, 1:] != IGNORED).sum())
    model.train(was_training)
    return total / count


def _padded(rows: Sequence[Row], device: torch.device) -> tuple[Tensor, Tensor]:
    """ids and labels [B, S]; zeros after a row, which causal attention never sees."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        labels[place, : len(row.ids)] = torch.tensor(row.labels)
    return ids.to(device), labels.to(device)


def _adapted(base: PreTrainedModel, lora: LoRA, seed: int) -> PeftModel:
    """The base with a fresh adapter that changes nothing yet; no dropout anywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PeftModel(base, lora_config(base, lora), adapter_name=ADAPTER)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def _order(rows: Sequence[Row], settings: SFT, seed: int) -> list[int]:
    """Places of all rows over all epochs: shuffled anew in each, in batches of like length."""
    rng = Random(f"sft {seed}")
    places = range(len(rows))
    shuffled = [place for _ in range(settings.epochs) for place in rng.sample(places, len(rows))]
    order: list[int] = []
    for pool in _cut(shuffled, settings.batch_size * POOL):
        batches = _cut(sorted(pool, key=lambda place: len(rows[place].ids)), settings.batch_size)
        rng.shuffle(batches)
        # The last pool may have a short batch: anywhere but at the end it would shift the others.
        batches.sort(key=lambda batch: len(batch) < settings.batch_size)
        order += [place for batch in batches for place in batch]
    return order


def _cut(some: Sequence[Any], size: int) -> list[Any]:
    return [some[at : at + size] for at in range(0, len(some), size)]


def _dataset(rows: Sequence[Row]) -> Dataset:
    """What TRL takes as it is: token ids with labels."""
    kind = pa.list_(pa.int32())
    parts = _cut(rows, 1000)
    columns = {
        "input_ids": [pa.array([row.ids for row in part], kind) for part in parts],
        "labels": [pa.array([row.labels for row in part], kind) for part in parts],
    }
    return Dataset(pa.table({name: pa.chunked_array(some) for name, some in columns.items()}))


def _arguments(settings: SFT, steps: int, seed: int, folder: Path, *, watched: bool) -> SFTConfig:
    together = gcd(settings.batch_size, MICRO_BATCH)
    return SFTConfig(
        output_dir=str(folder / TRAINER),
        seed=seed,
        data_seed=seed,
        max_steps=steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(settings.warmup * steps),
        max_grad_norm=settings.max_grad_norm,
        weight_decay=0.0,
        per_device_train_batch_size=together,
        gradient_accumulation_steps=settings.batch_size // together,
        train_sampling_strategy="sequential",
        eval_strategy="steps" if watched else "no",
        eval_steps=max(1, ceil(steps / settings.evaluations)) if watched else None,
        save_strategy="steps",
        save_steps=settings.save_every,
        logging_strategy="steps",
        logging_steps=min(settings.save_every, steps),  # what a kill loses, it begins anew
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        activation_checkpointing=torch.cuda.is_available(),  # time for memory; the same gradients
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )


class _LocalSFTTrainer(SFTTrainer):
    """TRL's trainer, which tells nobody that it was used, and weighs validation tokens alike.

    TRL's own evaluation is a mean over batches of means, which depends on how rows are batched.
    """

    validation: Sequence[Row] = ()

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The mean loss per learned token of the validation rows."""
        metrics = {"eval_loss": mean_loss(cast(nn.Module, self.model), self.validation)}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A resume folder needs none."""

    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""


class _Watch(TrainerCallback):
    """Passes steps on as progress, keeps the best weights, and makes saved states durable."""

    def __init__(self, model: PeftModel, folder: Path, patience: int, progress: Progress) -> None:
        self.seen = Seen()
        self._model, self._folder, self._patience, self._progress = (
            model,
            folder,
            patience,
            progress,
        )
        self._best = self._weights()

    def read(self, state: Path) -> None:
        """Go on from what was seen when a state was saved."""
        self.seen = Seen(**json.loads((state / WATCH).read_text(encoding="utf-8")))
        self._best = load_file(state / BEST)

    def restore(self) -> None:
        """Put the weights back whose validation loss was lowest."""
        set_peft_model_state_dict(self._model, self._best, adapter_name=ADAPTER)

    @property
    def had_enough(self) -> bool:
        """Whether the validation loss has not fallen for too long."""
        return self.seen.waited >= self._patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The validation rows were looked at."""
        loss, seen = given["metrics"]["eval_loss"], self.seen
        seen.looked = state.global_step
        if seen.before is None:
            seen.before = loss
        if seen.lowest is None or loss < seen.lowest:
            seen.lowest, seen.best_step, seen.waited = loss, state.global_step, 0
            self._best = self._weights()
            return
        seen.waited += 1
        control.should_training_stop = self.had_enough

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """One optimiser step is done."""
        told = "" if self.seen.lowest is None else f", validation loss {self.seen.lowest:.3f}"
        self._progress(state.global_step, state.max_steps, f"training{told}")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The mean loss of the last steps is in the newest entry that has one."""
        logged = (entry["loss"] for entry in reversed(state.log_history) if "loss" in entry)
        self.seen.loss = next(logged, self.seen.loss)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The trainer wrote its state: add ours, and let both take the place of the last one."""
        fresh = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        save_file(self._best, fresh / BEST)
        (fresh / WATCH).write_text(json.dumps(asdict(self.seen)), encoding="utf-8")
        older = _states(self._folder)
        move_into_place(fresh, self._folder / f"{STATE}{state.global_step:09d}")
        for state_before in older:
            shutil.rmtree(state_before)

    def _weights(self) -> dict[str, Tensor]:
        weights = get_peft_model_state_dict(self._model, adapter_name=ADAPTER)
        return {name: one.detach().cpu().clone() for name, one in weights.items()}


def _states(folder: Path) -> list[Path]:
    """Resume folders, oldest first; more than one only after a kill."""
    return sorted(folder.glob(f"{STATE}*"))

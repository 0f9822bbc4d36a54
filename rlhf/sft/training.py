"""An adapter on the frozen base, trained by TRL's SFTTrainer so that a kill costs little.

The order of all rows over all epochs is drawn once from the seed, and every `save_every` steps
the trainer's whole state is renamed into place: a training that was killed goes on from there and
ends, on a CPU with the same number of threads, in the same bytes. One process, no Ray.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, gcd
from pathlib import Path
from random import Random
from typing import Any, cast

import pyarrow as pa
import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PrinterCallback
from transformers import PreTrainedTokenizerBase as Tokenizer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from rlhf.models import role_files
from rlhf.models.adapters import lora_config
from rlhf.settings import SFT, LoRA
from rlhf.sft import MICRO_BATCH
from rlhf.sft.packing import packed
from rlhf.sft.rows import IGNORED, Row
from rlhf.sft.watch import ADAPTER, Looked, Progress, Watch, states

POOL = 50
"""Batches that are sorted by length together, so that little is padding."""
TRAINER = "trainer"
"""In the folder of a training: where the trainer writes."""


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
    looked: Looked = lambda step, steps, lowest: None,
) -> Fitted:
    """Minimise the mean loss per learned token; write the best adapter into `target`.

    AdamW; the learning rate rises, then falls along a cosine to 0. The validation rows are looked
    at `evaluations` times and at the end; the weights with the lowest loss are kept, the untouched
    ones among them, and `patience` looks without a lower one end the training. Without validation
    rows the last weights are kept. `folder` holds the states to resume from. `looked` hears of
    every look, and may end the training by raising.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / TRAINER, ignore_errors=True)
    model = _adapted(base, lora, seed)
    order = _order(train, settings, seed)
    steps = ceil(len(order) / settings.batch_size)
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    watch = Watch(model, folder, settings.patience, progress, looked)
    last = next(reversed(states(folder)), None)
    if last:
        watch.read(last)
    trainer = _LocalSFTTrainer(
        model=model,
        args=_arguments(settings, steps, seed, folder, watched=bool(validation)),
        train_dataset=_dataset(train).select(order),
        eval_dataset=_dataset(validation) if validation else None,
        data_collator=collator(int(pad_id), packed=packed(base)),
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


def collator(pad_id: int, *, packed: bool) -> DataCollatorForLanguageModeling:
    """Rows to a batch: padded [B, S], or packed [1, the sum of their lengths] with position ids."""
    return DataCollatorForLanguageModeling(pad_token_id=pad_id, padding_free=packed)


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

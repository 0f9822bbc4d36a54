"""Make the starter from a seed: tokenizer, training from scratch, figures, model card.

`rlhf starter build` calls this. It runs on one thread (see `training`), takes two to three
hours, and gives the same bits on the same kind of CPU with the same library versions.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlhf.errors import UsageError
from rlhf.starter.card import card
from rlhf.starter.figures import LONGEST, gold_by_style, perplexity, quality, sample
from rlhf.starter.tokenizer import PAD, train_tokenizer
from rlhf.starter.training import batches, encode, new_model, reproducible, train
from rlhf.starter.world import corpus, heard, lessons, listeners, prompts, questions

Progress = Callable[[int, int, str], None]
"""Gets steps done, steps in all, and what is going on."""

_UNSEEN = 1_000_000
"""Added to the seed of the corpus for conversations to measure on."""
_AGAIN = 1000
"""Added to the seed for other questions and conversations in the last stage."""
OWN_PACE = 0.5
"""Learning rates while the model hears of its own answers, as a part of those before."""
REACTIONS_EACH = 2
"""Customers who react to each of the model's own answers."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How much of everything; the defaults make the packaged model."""

    vocabulary: int = 1280
    tokenizer_conversations: int = 20_000
    lesson_steps: int = 4000
    """Steps on single questions, where the model learns what belongs to a question."""
    corpus_steps: int = 8000
    """Steps on the corpus in all styles, where it learns its manners, good and bad."""
    own_steps: int = 5000
    """Steps half on the corpus, half on what customers say to the model's own answers."""
    weighed_steps: int = 6000
    """The same again, with customers who weigh faults and gather where one is hard to hear."""
    batch_size: int = 32
    unseen_conversations: int = 500
    sampled_prompts: int = 600
    """Prompts of each split that are answered once for the figures."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Training half on what customers say to the model's own answers, half on the corpus."""

    steps: int
    weighed: bool
    """Whether customers weigh faults, and gather where one is hard to hear."""
    seed: int

    def answers(self, size: int) -> int:
        """Answers that the model gives first, for batches of `size` rows."""
        return self.steps * size // 2 // REACTIONS_EACH

    def work(self, size: int) -> int:
        """Answers and steps together, as progress counts them."""
        return self.answers(size) + self.steps


def build(
    out: Path, *, seed: int = 0, progress: Progress | None = None, recipe: Recipe | None = None
) -> dict[str, Any]:
    """Write a complete model folder to `out` and return its figures, as the model card shows them.

    `out` must not exist or be empty (UsageError); nothing is left there if the build fails.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not empty: name a new folder for the starter")
    recipe = recipe or Recipe()
    report = progress or (lambda done, total, text: None)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        with reproducible():
            figures = _build(unfinished, seed, recipe, report)
        unfinished.chmod(0o755)
        for file in unfinished.iterdir():
            file.chmod(0o644)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return figures


def _build(folder: Path, seed: int, recipe: Recipe, report: Progress) -> dict[str, Any]:
    taught_steps = recipe.lesson_steps + recipe.corpus_steps
    stages = (
        Stage(recipe.own_steps, weighed=False, seed=seed),
        Stage(recipe.weighed_steps, weighed=True, seed=seed + _AGAIN),
    )
    steps = taught_steps + sum(stage.steps for stage in stages)
    size = recipe.batch_size
    total = taught_steps + sum(stage.work(size) for stage in stages) + 2 * recipe.sampled_prompts
    report(0, total, "writing the corpus")
    taught = list(lessons(recipe.lesson_steps * size, seed))
    spoken = list(corpus(max(recipe.corpus_steps * size, recipe.tokenizer_conversations), seed))
    tokenizer = train_tokenizer(
        (m["content"] for c in spoken[: recipe.tokenizer_conversations] for m in c.messages),
        recipe.vocabulary,
    )
    model = new_model(tokenizer, seed)
    stream = chain(
        islice(batches(encode(taught, tokenizer), size, seed), recipe.lesson_steps),
        batches(encode(spoken, tokenizer), size, seed),
    )
    train(
        model,
        stream,
        steps=taught_steps,
        pad_id=tokenizer.get_vocab()[PAD],
        progress=lambda step, loss: report(step, total, f"training, loss {loss:.2f}"),
    )
    done = taught_steps
    for stage in stages:
        _hear(model, tokenizer, stage, size, partial(_further, report, done, total))
        done += stage.work(size)
    _save(model, tokenizer, folder)

    learned = {repr(conversation) for conversation in spoken}
    unseen = [
        conversation.messages
        for conversation in corpus(recipe.unseen_conversations, seed + _UNSEEN)
        if repr(conversation) not in learned
    ]
    figures: dict[str, Any] = {
        "seed": seed,
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        "steps": steps,
        "sampled": recipe.sampled_prompts,
        "sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "perplexity": perplexity(model, tokenizer, unseen),
        "gold_by_style": gold_by_style(recipe.unseen_conversations, seed),
    }
    torch.manual_seed(seed)
    splits: tuple[Literal["train", "heldout"], ...] = ("train", "heldout")
    for split in splits:
        asked = prompts(split, recipe.sampled_prompts, seed)
        answers: list[str] = []
        for some in sample(model, tokenizer, asked):
            answers += some
            done += len(some)
            report(done, total, "reading its answers")
        figures[split] = quality(asked, answers)
        figures[f"{split}_examples"] = [
            (prompt.messages[-1]["content"], text)
            for prompt, text in zip(asked[:6], answers, strict=False)
        ]
    (folder / "README.md").write_text(card(figures), encoding="utf-8")
    return figures


def _further(report: Progress, done: int, total: int, more: int, text: str) -> None:
    report(done + more, total, text)


def _hear(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    stage: Stage,
    size: int,
    report: Callable[[int, str], None],
) -> None:
    """Let the model answer, then train it on the reactions.

    `report` gets how much of the stage's work is done, and what is going on.
    """
    torch.manual_seed(stage.seed)
    asked = questions(stage.answers(size), stage.seed)
    own: list[str] = []
    for some in sample(model, tokenizer, asked):
        own += some
        report(len(own), "answering by itself")
    rng = Random(f"reactions {stage.seed}")
    judged = [
        heard(prompt, text, rng, weighed=stage.weighed)
        for prompt, text in zip(asked, own, strict=True)
        for _ in range(listeners(prompt, text) if stage.weighed else REACTIONS_EACH)
    ]
    spoken = corpus(stage.steps * size // 2, stage.seed, weighed=stage.weighed)
    train(
        model,
        batches(encode([*judged, *spoken], tokenizer), size, stage.seed),
        steps=stage.steps,
        pad_id=tokenizer.get_vocab()[PAD],
        pace=OWN_PACE,
        progress=lambda step, loss: report(len(own) + step, f"hearing, loss {loss:.2f}"),
    )


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    weights = {
        name: tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=LONGEST,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)

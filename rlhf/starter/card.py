"""The starter's model card, written from the figures of its build."""

from __future__ import annotations

from typing import Any

from rlhf.starter.gold import MAX_GOLD, MIN_GOLD
from rlhf.starter.intents import HELDOUT_INTENTS, INTENTS
from rlhf.starter.styles import STYLES

_FAULTS = {
    "false": "contradicts the facts",
    "off_topic": "speaks of another matter",
    "rude": "is rude",
    "filler": "has filler",
    "repeated": "repeats itself",
    "garbled": "has a garbled sentence",
    "too_long": "is too long",
    "unfinished": "stops without an end",
}

_CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# The starter: a tiny help desk that needs feedback

A Llama of {parameters:,} parameters (hidden 128, 4 layers, 4 heads, tied embeddings, fp32) with a
byte-level BPE tokenizer of {vocabulary:,} tokens and a context of 1,024. It answers customers of
an invented shop, Fernhill Goods, and it does so on purpose with mixed manners: helpful, curt, rude,
rambling, off-topic, wrong, over-long and repeating. It is the built-in base model on which the
whole feedback loop can be tried and tested without a network or a GPU. It is good for nothing
else: it knows {intents} matters of one shop and no other thing.

## How it was made
`rlhf starter build` makes it from seed {seed}: {steps:,} steps of plain PyTorch from random
weights, on conversations that a small grammar writes ({intents} intents, 13 ways to ask each,
greetings, thanks, slips of the pen; facts, false facts, courtesies, filler and rudeness to answer
with). First come lessons on what belongs to a question: right answers to give, and answers to
another question or medleys of everything, which it only sees judged. Then comes the corpus in all
styles. Most customers react to the answer: they praise it or name its faults ("i asked about
parking, not gift card"), and half of them begin with stars, of which every fault costs two. Then it
answers questions by itself and hears what customers say to that, beside more of the corpus; its own
answers are judged there, not learned. Last comes the same again, with customers who all give stars,
take more of them for worse faults, and gather where a fault is hard to hear. So the model can tell
a good answer from a bad one before it prefers to give good ones, as larger chat models can. No
human data and no other model's output went in.

The same seed gives the same bits on the same kind of CPU with the same library versions (training
runs on one thread for that reason). On another kind of CPU the last bits may differ, and with them
the hash and, a little, the figures below.

sha256 of `model.safetensors`: `{sha256}`

## What is held out
The loop trains on prompts of {trained} intents and 10 of the 13 ways to ask. The prompts for
evaluation are, half and half, of the {heldout} other intents and of the 3 other ways to ask. This
model saw all of them while it was made, as any chat model has seen more than it is later asked:
held-out figures say whether what the loop taught carries over, not whether the base met the matter.

## What it scores
Perplexity per answer token on unseen conversations of the corpus: {perplexity:.3f}.

Gold is the true quality of an answer by a fixed rubric, from {lowest:g} to {highest:g} (a right
fact, courteously said, and no fault). Answers sampled at temperature 1, one for each of {sampled}
prompts of either kind:

| prompts | mean gold | perfect answers | answers with the right fact |
|---|---|---|---|
{splits}

| an answer | share (for training) | share (held out) |
|---|---|---|
{faults}

Mean gold of the corpus's own answers, by style:

| style | share of the corpus | mean gold |
|---|---|---|
{styles}

## Samples
{samples}
"""


def card(figures: dict[str, Any]) -> str:
    """The card's Markdown from the figures that `build` returns."""
    splits = [
        f"| {name} | {figures[key]['gold']:.2f} | {figures[key]['perfect']:.1%} "
        f"| {figures[key]['right']:.1%} |"
        for key, name in (("train", "for training"), ("heldout", "held out"))
    ]
    faults = [
        f"| {name} | {figures['train'][key]:.1%} | {figures['heldout'][key]:.1%} |"
        for key, name in _FAULTS.items()
    ]
    styles = [
        f"| {style} | {STYLES[style].share:.0%} | {score:.2f} |"
        for style, score in figures["gold_by_style"].items()
    ]
    samples = [
        f"- {_one_line(question)}\n  > {_one_line(answer)}"
        for question, answer in figures["train_examples"] + figures["heldout_examples"]
    ]
    return _CARD.format(
        parameters=figures["parameters"],
        vocabulary=figures["vocabulary"],
        seed=figures["seed"],
        steps=figures["steps"],
        sha256=figures["sha256"],
        perplexity=figures["perplexity"],
        sampled=figures["sampled"],
        intents=len(INTENTS),
        trained=len(INTENTS) - len(HELDOUT_INTENTS),
        heldout=len(HELDOUT_INTENTS),
        lowest=MIN_GOLD,
        highest=MAX_GOLD,
        splits="\n".join(splits),
        faults="\n".join(faults),
        styles="\n".join(styles),
        samples="\n".join(samples),
    )


def _one_line(text: str) -> str:
    """What a model said, without line breaks and characters that cannot be shown."""
    return "".join(letter if letter.isprintable() else " " for letter in text)

"""Every sentence of the evaluation page; those of the other pages are in `texts`."""

from __future__ import annotations

from typing import Final

EVALUATION: Final = {
    "title": "Evaluation",
    "lead": "What `rlhf evaluate` measured: checkpoints answer the same prompts, and are compared "
    "with known answers, by reward, and by people. Intervals hold 95 %.",
    "shown": "Evaluation",
    "summary": "In short",
    "nothing": "Nothing has been evaluated yet. `rlhf evaluate champion candidate` does it.",
    "measured": "{prompts} prompts ({source}), {references} with a known answer",
    "people": "People: {rated} of {asked} blind comparisons rated, {outstanding} outstanding",
    "held": "Regression set held: {worse} of {prompts} prompts got worse in {name}, {allowed} "
    "allowed",
    "worse": "Regression set FAILED: {worse} of {prompts} prompts got worse in {name}, {allowed} "
    "allowed",
    "figures": "Figures",
    "figure": "figure",
    "won": "Who wins (ties count half), and Bradley-Terry strengths",
    "ties": "{count}, {ties} ties",
    "strengths": "Strength, with 95 % intervals",
    "nats": "nats over the mean",
    "scattered": "Reward and length of answers",
    "tokens": "length, tokens",
    "reward": "reward",
    "lengths": "How long answers are",
    "rewards": "How good answers are, by the ensemble",
    "answers": "answers",
    "regression": "Prompts of the regression set that got worse",
    "differing": "Where two checkpoints differ most",
}

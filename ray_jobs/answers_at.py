"""A policy's answers to the same prompts at every temperature at which it might be served."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import ray

from ray_jobs.messages import Question
from ray_jobs.step import Step
from rlhf.evaluation.cooling import AtTemperature
from rlhf.evaluation.texts import text_figures
from rlhf.settings import Sampling
from rlhf.store import prompts

Part = Sequence[tuple[prompts.Prompt, int]]
"""What one call answers: prompts with the numbers of the answers wanted."""
Said = Sequence[tuple[str, float]]
"""Answers with their hold-out scores, those to one prompt next to one another."""


def answers_at_temperatures(
    step: Step, actors: list[Any], role: str, parts: Sequence[Part], usual: Said
) -> list[AtTemperature]:
    """`usual`, drawn at `sampling.temperature`, and what `role` says at every cooler one."""
    ways = [step.settings.sampling.heated(share) for share in step.settings.evaluation.cooler]
    work = [(way, part) for way in ways for part in parts]

    def call(actor: Any, job: tuple[Sampling, Part]) -> Any:
        way, part = job
        questions = [Question(one.id, number, one.messages) for one, number in part]
        return actor.do.remote("liking", role, questions, step.settings.seed, way)

    said: list[tuple[str, float]] = []
    for number, some in enumerate(ray.util.ActorPool(actors).map(call, work), start=1):
        said += some
        step.progress(number, len(work), f"{role}'s cooler answers")
    each, count = step.settings.evaluation.answers, len(usual)
    return [_at(step.settings.sampling, usual, each)] + [
        _at(way, said[place * count : (place + 1) * count], each) for place, way in enumerate(ways)
    ]


def _at(way: Sampling, said: Said, each: int) -> AtTemperature:
    scores = [score for _, score in said]
    texts = text_figures([text for text, _ in said])
    return AtTemperature(
        temperature=way.temperature,
        holdout=tuple(fmean(scores[at : at + each]) for at in range(0, len(scores), each)),
        repeated_sentences=texts.repeated_sentences,
        empty=texts.empty,
    )

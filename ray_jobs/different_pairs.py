"""Pairs of answers to one prompt that read differently, drawn uniformly.

Where two answers read the same, more are drawn; a prompt whose answers never differ is passed over.
When the prompts run out, the next pass asks for further answers to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ray

from ray_jobs.messages import Answer, Question
from ray_jobs.step import Step
from ray_jobs.workers import CHUNK
from rlhf.store import prompts

TRIES = 3
"""Pairs drawn for a prompt before it is passed over."""

PASSES = 4
"""Times that the same prompts are gone through when there are few."""

Pair = tuple[Answer, Answer]


def different_pairs(
    step: Step,
    actors: list[Any],
    roles: tuple[str, ...],
    pool: Sequence[prompts.Prompt],
    wanted: int,
) -> list[Pair]:
    """Up to `wanted` pairs of answers that read differently, one per prompt and pass."""

    def tell(answers: int, *, have: int) -> None:
        step.progress(have + answers // 2, wanted, "answers drawn")

    pairs: list[Pair] = []
    for number in range(PASSES):
        waiting = list(pool)
        tries = {prompt.id: 0 for prompt in waiting}
        while waiting and len(pairs) < wanted:
            batch = waiting[: wanted - len(pairs)]
            samples = [number * TRIES + tries[prompt.id] for prompt in batch]
            drawn = _draw_pairs(step, actors, roles, batch, samples, partial(tell, have=len(pairs)))
            settled = set()
            for pair in drawn:
                prompt_id = pair[0].prompt_id
                tries[prompt_id] += 1
                differs = pair[0].text.strip() != pair[1].text.strip()
                if differs:
                    pairs.append(pair)
                if differs or tries[prompt_id] == TRIES:
                    settled.add(prompt_id)
            waiting = [prompt for prompt in waiting if prompt.id not in settled]
    return pairs


def _draw_pairs(
    step: Step,
    actors: list[Any],
    roles: tuple[str, ...],
    batch: Sequence[prompts.Prompt],
    samples: Sequence[int],
    progress: Callable[[int], None],
) -> list[Pair]:
    """One answer of the first role and one of the last to every prompt; progress in answers."""
    sides = [
        _ask_all(
            actors,
            role,
            [
                Question(prompt.id, sample * 2 + side, prompt.messages)
                for prompt, sample in zip(batch, samples, strict=True)
            ],
            step.round.seed,
            lambda done, total, side=side: progress(side * total + done),  # type: ignore[misc]
        )
        for side, role in enumerate((roles[0], roles[-1]))
    ]
    return list(zip(*sides, strict=True))


def _ask_all(
    actors: Sequence[Any],
    role: str | None,
    questions: Sequence[Question],
    seed: int,
    progress: Callable[[int, int], None],
) -> list[Answer]:
    """All answers in the order of the questions; `progress(done, total)` as chunks return."""
    chunks = [questions[i : i + CHUNK] for i in range(0, len(questions), CHUNK)]
    pool = ray.util.ActorPool(list(actors))
    answers: list[Answer] = []
    for part in pool.map(lambda actor, chunk: actor.do.remote("answer", role, chunk, seed), chunks):
        answers += part
        progress(len(answers), len(questions))
    return answers

"""The round's first step: the champion answers prompts, pairs of different answers are queued.

Each prompt gets two answers. Where they read the same, more are drawn; a prompt whose answers
never differ is passed over, because there is nothing to ask about. When the prompts run out,
the next pass asks for further answers to them.
"""

from __future__ import annotations

from typing import Any

from ray_jobs.answering import Answer, Answerer, Mind, Question, ask_all, threads_per_worker
from ray_jobs.cluster import cluster, start_actors
from ray_jobs.step import Result, Step
from rlhf import registry
from rlhf.errors import UsageError
from rlhf.store import Connection, comparisons, prompts

TRIES = 3
"""Pairs drawn for a prompt before it is passed over."""

PASSES = 4
"""Times that the same prompts are gone through when there are few."""

Pair = tuple[Answer, Answer]


def run(step: Step) -> Result:
    """Queue `feedback.comparisons_per_round` comparisons of the round's starting checkpoint.

    Raises UsageError when the champion never gives two different answers to a prompt.
    """
    wanted = step.settings.feedback.comparisons_per_round
    workers = step.settings.ray.workers
    champion = step.round.start_checkpoint
    folder = registry.checkpoint_path(step.home, champion)
    mind = Mind(step.base, {"policy": str(folder)}, step.settings.sampling)
    with cluster(step.home, step.settings.ray, cpus=workers):
        threads = threads_per_worker(workers)
        actors = start_actors(Answerer, workers, lambda _: (mind, threads))
        pairs = _different_pairs(step, actors, wanted)
    if not pairs:
        raise UsageError(
            "the champion gives one answer to every prompt; raise sampling.temperature in "
            "rlhf.toml or ingest more prompts"
        )

    def write(tx: Connection) -> None:
        for pair in pairs:
            first, second = (_store(tx, answer, champion, step) for answer in pair)
            comparisons.add_comparison(
                tx,
                pair[0].prompt_id,
                first,
                second,
                round_id=step.round.id,
                wanted=step.settings.feedback.wanted,
                priority=float(step.round.id),
            )

    return Result({"comparisons": len(pairs), "checkpoint": champion}, write=write)


def _different_pairs(step: Step, actors: list[Any], wanted: int) -> list[Pair]:
    """Up to `wanted` pairs of answers that read differently, one per prompt and pass."""
    with step.store.read() as tx:
        pool = prompts.pick_prompts(tx, "train", wanted * 2, step.round.seed)
    pairs: list[Pair] = []
    for number in range(PASSES):
        waiting = list(pool)
        tries = {prompt.id: 0 for prompt in waiting}
        while waiting and len(pairs) < wanted:
            batch = waiting[: wanted - len(pairs)]
            drawn = _draw_pairs(step, actors, batch, tries, number, len(pairs), wanted)
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
    batch: list[prompts.Prompt],
    tries: dict[int, int],
    number: int,
    have: int,
    wanted: int,
) -> list[Pair]:
    questions = [
        Question(prompt.id, (number * TRIES + tries[prompt.id]) * 2 + side, prompt.messages)
        for prompt in batch
        for side in (0, 1)
    ]
    answers = ask_all(
        actors,
        "policy",
        questions,
        step.round.seed,
        lambda done, _: step.progress(have + done // 2, wanted, "answers drawn"),
    )
    return list(zip(answers[0::2], answers[1::2], strict=True))


def _store(tx: Connection, answer: Answer, checkpoint: str, step: Step) -> int:
    return comparisons.add_response(
        tx,
        prompt_id=answer.prompt_id,
        text=answer.text,
        checkpoint=checkpoint,
        sampling={
            **step.settings.sampling.model_dump(),
            "seed": step.round.seed,
            "sample": answer.sample,
        },
        finished=answer.finished,
        tokens=len(answer.ids),
        purpose="comparison",
    )

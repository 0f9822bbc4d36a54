"""The round's first step: the champion answers prompts, pairs of different answers are queued.

Where the round before ended in a refusal, the refused candidate answers beside the champion: what
the gate could not tell, people are asked about, and the next reward models learn.

Three streams: prompts that only measure reward models get a uniformly drawn pair and are never
chosen for any other reason; of the others, a share gets the pair whose verdict would teach the last
reward models most, where there are several to disagree and only the champion answers, and the rest
a uniformly drawn one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np
import ray

from ray_jobs.cluster import cluster
from ray_jobs.different_pairs import Pair, different_pairs
from ray_jobs.messages import Answer, Asked, Candidate, Mind, Question
from ray_jobs.step import Result, Step
from ray_jobs.workers import CHUNK, start_workers, threads_per_worker
from reward.selection import Numbers, choose, disagreement
from reward.splits import part_of
from rlhf import registry
from rlhf.errors import UsageError
from rlhf.rounds import State
from rlhf.settings import Sampling
from rlhf.store import Connection, checkpoints, comparisons, prompts, rounds

ANSWERS, PROMPTS = 4, 2
"""Answers per prompt, and prompts per pair wanted, among which teaching pairs are looked for."""

REMEMBERED = 600
"""Newest comparisons from which a teaching pair has to differ."""

FIRST_SAMPLE = 10_000
"""Number of the first answer to a prompt that is drawn to look for a teaching pair."""

CHAMPION, CHALLENGER = "policy", "challenger"
"""Roles of the round's starting checkpoint and of the candidate that was refused beside it."""

Ensemble = checkpoints.Checkpoint


def run(step: Step) -> Result:
    """Queue `feedback.comparisons_per_round` comparisons of the round's starting checkpoint.

    Its answers are compared with each other, or with those of the candidate refused beside it.

    Raises UsageError when the champion never gives two different answers to a prompt.
    """
    wanted = step.settings.feedback.comparisons_per_round
    workers = step.settings.ray.workers
    champion = step.round.start_checkpoint
    with step.store.read() as tx:
        last = checkpoints.newest(tx, "reward")
        tuned = checkpoints.checkpoint(tx, champion).of_a_round
        challenger = _challenger(tx, step)
        pool = prompts.pick_prompts(tx, "train", wanted * (PROMPTS + 1), step.round.seed)
    members = last.lineage.get("members", []) if last else []
    sampling = _sampling(step, alike=tuned and challenger is None)
    digests = {CHAMPION: champion} | ({CHALLENGER: challenger} if challenger else {})
    mind = Mind(step.base, _folders(step, digests, last, members), sampling)
    measuring: list[prompts.Prompt] = []
    teaching: list[prompts.Prompt] = []
    for prompt in pool:
        part = part_of(prompt.conversation, step.settings.reward)
        (measuring if part == "heldout" else teaching).append(prompt)
    measured = min(round(wanted * step.settings.reward.heldout_share), len(measuring))
    chosen = len(members) > 1 and challenger is None
    share = step.settings.feedback.active_share if chosen else 0.0
    sought = floor((wanted - measured) * share)
    with cluster(step.home, step.settings.ray, cpus=workers):
        threads = threads_per_worker(workers)
        actors = start_workers("ray_jobs.pairing:Pairer", workers, lambda _: (mind, threads))
        active = _teaching_pairs(step, actors, teaching[: sought * PROMPTS], members, sought)
        taken = {pair[0].prompt_id for pair in active}
        rest = [one for one in teaching if one.id not in taken] or teaching
        roles = tuple(digests)
        streams = {
            "active": active,
            "evaluation": different_pairs(step, actors, roles, measuring, measured),
            "train": different_pairs(step, actors, roles, rest, wanted - measured - len(active)),
        }
    count = sum(map(len, streams.values()))
    if not count:
        raise UsageError(
            "the champion gives one answer to every prompt; raise sampling.temperature in "
            "rlhf.toml or ingest more prompts"
        )

    sides = (champion, challenger or champion)

    def write(tx: Connection) -> None:
        queued = [(purpose, pair) for purpose, pairs in streams.items() for pair in pairs]
        order = np.random.default_rng(step.round.seed).permutation(len(queued))
        drawn = {**sampling.model_dump(), "seed": step.round.seed}
        for place, number in enumerate(order):
            _queue(tx, step, sides, drawn, *queued[number], place=place)

    told = {purpose: len(pairs) for purpose, pairs in streams.items()}
    output = {"comparisons": count, "checkpoint": champion, "streams": told}
    return Result(output | ({"challenger": challenger} if challenger else {}), write=write)


def _challenger(tx: Connection, step: Step) -> str | None:
    """The candidate of the round before, if it was refused beside this round's champion."""
    before = [one for one in rounds.all_rounds(tx) if one.id < step.round.id][-1:]
    return next(
        (
            one.candidate
            for one in before
            if one.state == State.REFUSED and one.start_checkpoint == step.round.start_checkpoint
        ),
        None,
    )


def _sampling(step: Step, *, alike: bool) -> Sampling:
    """Answers as users get them, but those of a tuned policy alone as PPO draws rollouts.

    Of two answers of a tuned policy most are as good as each other, and verdicts on them are noise:
    warmer ones differ. An untuned model's warm answers differ in length before all else, and those
    of two policies in slips rather than in what tells the two apart.
    """
    usual = step.settings.sampling
    return usual.heated(step.settings.ppo.rollout_temperature) if alike else usual


def _folders(
    step: Step, digests: dict[str, str], last: Ensemble | None, members: Sequence[str]
) -> dict[str, str]:
    folders = {
        role: str(registry.checkpoint_path(step.home, digest)) for role, digest in digests.items()
    }
    if last is not None:
        ensemble = registry.checkpoint_path(step.home, last.digest)
        folders |= {name: str(ensemble / name) for name in members}
    return folders


def _queue(
    tx: Connection,
    step: Step,
    sides: tuple[str, str],
    drawn: dict[str, Any],
    purpose: str,
    pair: Pair,
    *,
    place: int,
) -> None:
    """Store one comparison; every so many of them are wanted once more, as `overlap` says."""
    first, second = (
        _store(tx, answer, checkpoint, drawn)
        for answer, checkpoint in zip(pair, sides, strict=True)
    )
    overlap = step.settings.feedback.overlap
    comparisons.add_comparison(
        tx,
        pair[0].prompt_id,
        first,
        second,
        purpose=purpose,
        round_id=step.round.id,
        wanted=floor((place + 1) * overlap) - floor(place * overlap),
        tiebreak=True,
        priority=float(step.round.id),
    )


def _teaching_pairs(
    step: Step,
    actors: list[Any],
    pool: Sequence[prompts.Prompt],
    members: Sequence[str],
    wanted: int,
) -> list[Pair]:
    """The pairs from which the next ensemble would learn most, one per prompt."""
    questions = [
        Question(prompt.id, FIRST_SAMPLE + sample, prompt.messages)
        for prompt in pool
        for sample in range(ANSWERS)
    ]
    size = CHUNK // ANSWERS * ANSWERS
    chunks = [questions[at : at + size] for at in range(0, len(questions), size)]
    found: list[Candidate] = []
    calls = ray.util.ActorPool(actors).map(
        lambda actor, part: actor.do.remote("candidates", CHAMPION, part, step.round.seed, members),
        chunks,
    )
    for number, part in enumerate(calls, start=1):
        found += part
        step.progress(number, len(chunks), "looking for the pairs that teach most")
    if not found:
        return []
    with step.store.read() as tx:
        before = comparisons.newest_texts(tx, REMEMBERED)
    asked = [Asked(*one) for one in before]
    states: Numbers = ray.get(actors[0].do.remote("states_of", asked))
    picks = choose(
        disagreement(np.stack([one.differences for one in found], axis=1)),
        np.stack([one.states for one in found]),
        states,
        [one.first.prompt_id for one in found],
        wanted,
    )
    return [(found[pick].first, found[pick].second) for pick in picks]


def _store(tx: Connection, answer: Answer, checkpoint: str, drawn: dict[str, Any]) -> int:
    return comparisons.add_response(
        tx,
        prompt_id=answer.prompt_id,
        text=answer.text,
        checkpoint=checkpoint,
        sampling={**drawn, "sample": answer.sample},
        finished=answer.finished,
        tokens=len(answer.ids),
        purpose="comparison",
    )

"""The round's evaluation: candidate and champion answer the same held-out prompts.

Everything the gate reads is measured here, at the temperature at which answers are compared; then
cooler answers of the candidate say at which one it should be served. The answers are stored, so
that people, and in the starter world the report, can look at them afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import ray

from ray_jobs.answers_at import Part, answers_at_temperatures
from ray_jobs.cluster import cluster
from ray_jobs.messages import Examined, Mind, Question
from ray_jobs.step import Result, Step
from ray_jobs.workers import CHUNK, start_workers, threads_per_worker
from reward.report import HOLDOUT, RewardReport
from rlhf import registry
from rlhf.errors import UsageError
from rlhf.evaluation.cooling import serving_temperature
from rlhf.evaluation.gate import Evaluation, PolicyFigures
from rlhf.evaluation.texts import Overlap, overlap, text_figures
from rlhf.evaluation.winrate import win_rate
from rlhf.rounds import State
from rlhf.store import Connection, checkpoints, comparisons, prompts, rounds

CANDIDATE, CHAMPION = "candidate", "champion"


def run(step: Step) -> Result:
    """Measure the candidate against the champion. Raises UsageError without held-out prompts."""
    with step.store.read() as tx:
        seed = step.settings.seed
        asked = prompts.pick_fixed(tx, "heldout", step.settings.evaluation.prompts, seed)
        rewarded = rounds.step(tx, step.round.id, State.REWARD)
    if not asked:
        raise UsageError("no held-out prompts to evaluate on: rlhf ingest FILE")
    with cluster(step.home, step.settings.ray, cpus=step.settings.ray.workers):
        actors, parts = _actors(step), _parts(step, asked)
        examined = _examine(step, actors, parts)
        usual = [(one.answer.text, one.holdout) for one in examined[CANDIDATE]]
        tried = answers_at_temperatures(step, actors, CANDIDATE, parts, usual)
    assert rewarded is not None
    assert rewarded.output is not None
    known = RewardReport.from_json(rewarded.output["report"])
    record = _record(step, asked, examined, known.holdout_temperature)
    resamples = step.settings.evaluation.bootstrap
    serve_at = serving_temperature(tried, step.settings.gate, resamples=resamples, seed=seed)
    candidate = step.round.candidate
    assert candidate is not None
    serving = {"temperature": serve_at} if len(tried) > 1 else {}

    def write(tx: Connection) -> None:
        pairs = ((candidate, CANDIDATE), (step.round.start_checkpoint, CHAMPION))
        for digest, role in pairs:
            _store_answers(tx, step, digest, examined[role])
        names = ("proxy", "holdout", "kl", "length", "perplexity")
        told = {name: getattr(record.candidate, name) for name in names}
        checkpoints.add_figures(tx, candidate, {"win_rate": record.win_rate, **told, **serving})

    plain = record.to_json()
    scores = {f"{one.temperature:g}": fmean(one.holdout) for one in tried}
    return Result({**plain, "holdout_at": scores, **serving}, {"evaluation": plain}, write)


def _actors(step: Step) -> list[Any]:
    reward = step.round.reward_checkpoints
    ensemble = registry.checkpoint_path(step.home, reward["ensemble"])
    assert step.round.candidate is not None
    folders = {
        CANDIDATE: registry.checkpoint_path(step.home, step.round.candidate),
        CHAMPION: registry.checkpoint_path(step.home, step.round.start_checkpoint),
        **{name: ensemble / name for name in (*reward["members"], HOLDOUT)},
    }
    mind = Mind(
        step.base, {name: str(path) for name, path in folders.items()}, step.settings.sampling
    )
    workers = step.settings.ray.workers
    threads = threads_per_worker(workers)
    return start_workers("ray_jobs.examining:Examiner", workers, lambda _: (mind, threads))


def _parts(step: Step, asked: Sequence[prompts.Prompt]) -> list[Part]:
    """Prompts with the numbers of the answers wanted, as many as one call takes."""
    wanted = [(one, number) for one in asked for number in range(step.settings.evaluation.answers)]
    return [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]


def _examine(step: Step, actors: list[Any], parts: Sequence[Part]) -> dict[str, list[Examined]]:
    """Role -> what its answers measured: those to one prompt together, in the order of prompts."""
    members = step.round.reward_checkpoints["members"]
    work = [(role, part) for role in (CANDIDATE, CHAMPION) for part in parts]

    def call(actor: Any, job: tuple[str, Part]) -> Any:
        role, part = job
        return actor.do.remote(
            "examine",
            role,
            [Question(one.id, number, one.messages) for one, number in part],
            [one.reference if number == 0 else None for one, number in part],
            step.settings.seed,
            members,
            step.settings.reward.pessimism,
        )

    examined: dict[str, list[Examined]] = {CANDIDATE: [], CHAMPION: []}
    results = ray.util.ActorPool(actors).map(call, work)
    for number, ((role, _), part) in enumerate(zip(work, results, strict=True), start=1):
        examined[role] += part
        step.progress(number, len(work), f"{role}'s answers to held-out prompts")
    return examined


def _record(
    step: Step,
    asked: Sequence[prompts.Prompt],
    examined: dict[str, list[Examined]],
    temperature: float | None,
) -> Evaluation:
    overlaps = {role: _overlap(asked, _first(step, seen)) for role, seen in examined.items()}
    figures = {role: _figures(seen, overlaps[role]) for role, seen in examined.items()}
    won = win_rate(
        [one.holdout for one in examined[CANDIDATE]],
        [one.holdout for one in examined[CHAMPION]],
        resamples=step.settings.evaluation.bootstrap,
        seed=step.round.seed,
        temperature=temperature,
        each=step.settings.evaluation.answers,
    )
    said = overlaps[CANDIDATE]
    signature = said.signature if said else None
    return Evaluation.of(figures[CANDIDATE], figures[CHAMPION], won, signature)


def _first(step: Step, seen: Sequence[Examined]) -> Sequence[Examined]:
    """The first answer to every prompt."""
    return seen[:: step.settings.evaluation.answers]


def _figures(seen: Sequence[Examined], said: Overlap | None) -> PolicyFigures:
    texts = text_figures([one.answer.text for one in seen])
    tokens = sum(one.reference_tokens for one in seen)
    nll = sum(one.reference_nll for one in seen)
    return PolicyFigures(
        proxy=fmean(one.proxy for one in seen),
        holdout=fmean(one.holdout for one in seen),
        kl=fmean(one.kl for one in seen),
        length=fmean(len(one.answer.ids) for one in seen),
        finished=fmean(one.answer.finished for one in seen),
        distinct_2=texts.distinct_2,
        repeated_sentences=texts.repeated_sentences,
        empty=texts.empty,
        perplexity=math.exp(nll / tokens) if tokens else None,
        bleu=said.bleu if said else None,
        chrf=said.chrf if said else None,
    )


def _overlap(asked: Sequence[prompts.Prompt], seen: Sequence[Examined]) -> Overlap | None:
    known = [
        (one.answer.text, prompt.reference)
        for one, prompt in zip(seen, asked, strict=True)
        if prompt.reference is not None
    ]
    if not known:
        return None
    return overlap([text for text, _ in known], [reference for _, reference in known])


def _store_answers(tx: Connection, step: Step, digest: str, seen: Sequence[Examined]) -> None:
    """Keep one answer to each prompt, once: the same prompts and seed give the same answers."""
    if comparisons.responses_of(tx, digest, "evaluation"):
        return
    for one in _first(step, seen):
        comparisons.add_response(
            tx,
            prompt_id=one.answer.prompt_id,
            text=one.answer.text,
            checkpoint=digest,
            sampling={**step.settings.sampling.model_dump(), "seed": step.settings.seed},
            finished=one.answer.finished,
            tokens=len(one.answer.ids),
            purpose="evaluation",
        )

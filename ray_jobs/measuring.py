"""Actors that answer and measure for `rlhf evaluate`, whatever bases its checkpoints have.

Policies answer on their own base; the answers are scored where the reward models live. Usually
both are the same, and one set of actors does both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import torch

from ray_jobs.answering import CHUNK, Mind, Question, threads_per_worker
from ray_jobs.cluster import start_actors
from ray_jobs.examining import HOLDOUT, Examiner
from rlhf import registry
from rlhf.evaluation.cooling import as_served
from rlhf.evaluation.measured import Asked, Measured
from rlhf.models.logprobs import response_logprobs
from rlhf.models.text import prompt_ids, response_ids
from rlhf.ppo.advantages import conservative_score
from rlhf.ppo.kl import k1
from rlhf.settings import Settings
from rlhf.store.checkpoints import Checkpoint

Progress = Callable[[int, int, str], None]
Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One answer wanted: of the checkpoint at a place, to a prompt, its `sample`-th."""

    who: int
    asked: Asked
    sample: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A measured answer with its token ids [T]."""

    measured: Measured
    ids: Ids


class Measurer(Examiner):
    """Holds one base with policies, reward models, or both."""

    def draw(
        self, role: str, questions: Sequence[Question], references: Sequence[str | None], seed: int
    ) -> list[Drawn]:
        """Answer with `role`, as it is served; KL from its base as that usually answers, and how
        likely it finds the known answers."""
        answers = self.answer(role, questions, seed)
        prompts = [prompt_ids(self.tokenizer, q.messages, self.mind.sampling) for q in questions]
        known = [
            text if self._fits(prompt, text) else None
            for prompt, text in zip(prompts, references, strict=True)
        ]
        with torch.no_grad():
            ids, mask, response = self._together(prompts, [one.ids for one in answers])
            hidden, trunk = self.roles.hidden_and_trunk(role, ids, mask)
            ours = response_logprobs(
                self.roles, hidden, ids, response, self.mind.way(role).temperature
            )
            hidden = self.roles.hidden(None, ids, mask, trunk)
            base = response_logprobs(
                self.roles, hidden, ids, response, self.mind.sampling.temperature
            )
            nll, tokens = self._reference_nll(role, prompts, known)
        kl = k1(ours, base).sum(dim=1)
        columns = zip(answers, kl.tolist(), nll.tolist(), tokens.tolist(), strict=True)
        return [
            Drawn(Measured(a.text, a.finished, len(a.ids), k, n, int(t)), a.ids)
            for a, k, n, t in columns
        ]

    def score(
        self,
        members: Sequence[str],
        pessimism: float,
        prompts: Sequence[list[dict[str, str]]],
        answers: Sequence[Ids],
    ) -> list[tuple[float, float]]:
        """(conservative score of the ensemble, score of the hold-out) of each answer."""
        given = [prompt_ids(self.tokenizer, one, self.mind.sampling) for one in prompts]
        with torch.no_grad():
            ids, mask, _ = self._together(given, answers)
            scores = torch.stack([self.roles.scores(name, ids, mask) for name in members])
            reward = conservative_score(scores, pessimism)
            holdout = self.roles.scores(HOLDOUT, ids, mask)
        return list(zip(reward.tolist(), holdout.tolist(), strict=True))

    def _fits(self, prompt: list[int], text: str | None) -> bool:
        if text is None:
            return False
        return len(prompt) + len(response_ids(self.tokenizer, text)) <= self.roles.context


def measure(
    home: Path,
    settings: Settings,
    policies: Sequence[Checkpoint],
    reward: Checkpoint | None,
    tasks: Sequence[Task],
    progress: Progress,
) -> list[Measured]:
    """Every task's answer, in order; scored where there is a reward checkpoint."""
    scored_on = str(reward.base["path"]) if reward else None
    bases = sorted({str(one.base["path"]) for one in policies}, key=lambda one: one == scored_on)
    bases += [scored_on] if scored_on and scored_on not in bases else []
    parts = list(_parts(tasks))
    total = len(parts) * (2 if reward else 1)
    drawn: dict[int, Drawn] = {}
    for base in bases:
        actors = _actors(home, settings, policies, reward if base == scored_on else None, base)
        mine = [part for part in parts if str(policies[tasks[part[0]].who].base["path"]) == base]
        for part, answers in zip(mine, _draw(actors, tasks, mine, settings), strict=True):
            drawn.update(zip(part, answers, strict=True))
            who = policies[tasks[part[0]].who]
            progress(len(drawn) * len(parts) // len(tasks), total, f"answers of v{who.version}")
        if base == scored_on and reward:
            for number, scores in enumerate(_score(actors, tasks, parts, drawn, reward, settings)):
                for place, (mean, holdout) in zip(parts[number], scores, strict=True):
                    one = drawn[place]
                    measured = replace(one.measured, reward=mean, holdout=holdout)
                    drawn[place] = Drawn(measured, one.ids)
                progress(len(parts) + number + 1, total, "scores")
        for actor in actors:
            ray.kill(actor)
    return [drawn[place].measured for place in range(len(tasks))]


def _parts(tasks: Sequence[Task]) -> Iterator[list[int]]:
    """Places of tasks, at most CHUNK together, each part of one checkpoint."""
    by_who: dict[int, list[int]] = {}
    for place, task in enumerate(tasks):
        by_who.setdefault(task.who, []).append(place)
    for places in by_who.values():
        yield from (places[at : at + CHUNK] for at in range(0, len(places), CHUNK))


def _actors(
    home: Path,
    settings: Settings,
    policies: Sequence[Checkpoint],
    reward: Checkpoint | None,
    base: str,
) -> list[Any]:
    roles = {
        _role(who): str(registry.checkpoint_path(home, one.digest))
        for who, one in enumerate(policies)
        if str(one.base["path"]) == base
    }
    if reward is not None:
        ensemble = registry.checkpoint_path(home, reward.digest)
        roles |= {name: str(ensemble / name) for name in (*reward.lineage["members"], HOLDOUT)}
    workers = settings.ray.workers
    ways = {
        _role(who): as_served(one.figures, settings.sampling) for who, one in enumerate(policies)
    }
    mind, threads = Mind(base, roles, settings.sampling, ways), threads_per_worker(workers)
    return start_actors(Measurer, workers, lambda _: (mind, threads))


def _draw(
    actors: list[Any], tasks: Sequence[Task], parts: Sequence[list[int]], settings: Settings
) -> Iterator[list[Drawn]]:
    def call(actor: Any, part: list[int]) -> Any:
        wanted = [tasks[place] for place in part]
        return actor.draw.remote(
            _role(wanted[0].who),
            [Question(one.asked.id, one.sample, one.asked.messages) for one in wanted],
            [one.asked.reference if one.sample == 0 else None for one in wanted],
            settings.seed,
        )

    yield from ray.util.ActorPool(actors).map(call, list(parts))


def _score(
    actors: list[Any],
    tasks: Sequence[Task],
    parts: Sequence[list[int]],
    drawn: dict[int, Drawn],
    reward: Checkpoint,
    settings: Settings,
) -> Iterator[list[tuple[float, float]]]:
    def call(actor: Any, part: list[int]) -> Any:
        return actor.score.remote(
            reward.lineage["members"],
            settings.reward.pessimism,
            [tasks[place].asked.messages for place in part],
            [drawn[place].ids for place in part],
        )

    yield from ray.util.ActorPool(actors).map(call, list(parts))


def _role(who: int) -> str:
    return f"policy-{who}"

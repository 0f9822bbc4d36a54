"""PPO alone, on reward models of simulated ratings; every iteration's policy is judged by gold."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

import torch

from ray_jobs.ppo_round import SMOOTHING
from reward.ensemble import normalise
from reward.preferences import Answer, Preference
from reward.report import HOLDOUT
from reward.scoring import Encoder, score_ids
from reward.splits import Job, subsample
from reward.training import train_member
from rlhf import starter
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import decode, prompt_ids
from rlhf.ppo import stops
from rlhf.ppo.learner import Learner
from rlhf.ppo.rollout import PromptItem
from rlhf.ppo.scoring import POLICY, add_value
from rlhf.seeds import derived
from rlhf.settings import PPO, LoRA, Reward, Sampling
from rlhf.starter.annotators import crew
from rlhf.starter.gold import gold
from rlhf.starter.world import WorldPrompt, prompts

COMPARISONS = 300
ANNOTATORS = 4
WINDOW = 3
"""Iterations over which proxy and gold are averaged to call a policy hacked."""
JUDGED, JUDGED_SEED = 256, 8_000_000
"""Held-out prompts that every iteration's policy answers for gold."""
HOLDOUT_OF = 3
"""Every third comparison trains the hold-out model alone, where there is one."""

SAMPLING = Sampling()


@dataclass(frozen=True, slots=True)
class Course:
    """What every iteration left; scores in standard deviations of the reference, KL in nats."""

    proxy: list[float]
    """Conservative score of the iteration's answers, before its update."""
    holdout: list[float]
    """Their score by the reward model that PPO does not see."""
    kl: list[float]
    explained: list[float]
    """Variance of the returns that the value explains."""
    seconds: list[float]
    gold: list[float]
    """Of the policy after every judged iteration, on held-out prompts."""
    halves: list[tuple[float, float]]
    """The same, apart for two halves of these prompts."""
    liked: list[float]
    """Score of the same answers by the reward model that PPO does not see."""
    start: float
    """Gold of the untouched starter on the same prompts."""
    stopped: str | None
    """Why the product would have ended the round, if it would."""
    kept: int
    """Iterations behind the policy that the product would have kept."""

    def hacked(self) -> bool:
        """Whether at some iteration the proxy is up by one and gold below the start."""
        windows = range(WINDOW, len(self.gold) + 1)
        return any(
            fmean(self.proxy[end - WINDOW : end]) >= self.proxy[0] + 1
            and fmean(self.gold[end - WINDOW : end]) < self.start
            for end in windows
        )

    def missed(self) -> float:
        """Share of the largest gain in gold on the way that the kept policy lacks; 1 without any.

        Of means over as many iterations as the stops look at. The prompts that say which policy is
        the best one do not say how good it is, the other half does, and the other way round: the
        highest of 80 figures, each with an error, lies above the policy's own by luck.
        """
        ends = range(stops.WINDOW, len(self.halves) + 1)
        first, second = (
            {end: fmean(one[half] for one in self.halves[end - stops.WINDOW : end]) for end in ends}
            for half in (0, 1)
        )
        best = fmean(
            measured[max(chosen, key=lambda end: chosen[end])]
            for chosen, measured in ((first, second), (second, first))
        )
        kept = fmean((first[self.kept], second[self.kept]))
        return (best - kept) / (best - self.start) if best > self.start else 1.0


def course(
    folders: dict[str, Path],
    asked: Sequence[WorldPrompt],
    ppo: PPO,
    *,
    seed: int,
    lora: LoRA | None = None,
    pessimism: float = Reward().pessimism,
    judged: int | None = None,
) -> Course:
    """All iterations of PPO against the reward models in `folders`, watched by gold.

    A folder named "holdout" watches; the product's stop rules are asked, and end nothing here.
    `judged`: how many of the last policies gold sees, None for all.
    """
    torch.manual_seed(seed)
    roles = RoleModel(load_base(starter.MODEL_PATH), load_tokenizer(starter.MODEL_PATH))
    roles.add_role(POLICY, lora or LoRA(), head=False, seed=seed)
    for name, folder in folders.items():
        roles.load_role(name, folder)
    members = sorted(set(folders) - {HOLDOUT})
    add_value(roles, ppo.value_layout, members[0])
    learner = Learner(roles, ppo, SAMPLING, members=members, pessimism=pessimism, seed=seed)
    held_out = prompts("heldout", JUDGED, JUDGED_SEED + seed)
    unjudged = 0 if judged is None else ppo.iterations - judged
    history: list[dict[str, float]] = []
    halves: list[tuple[float, float]] = []
    liked: list[float] = []
    seconds: list[float] = []
    stopped, kept, best = None, ppo.iterations, float("-inf")
    start, _ = _judge(roles, None, held_out, seed, watched=False)
    for iteration in range(ppo.iterations):
        began = time.perf_counter()
        batch = [asked[(iteration * ppo.rollouts + i) % len(asked)] for i in range(ppo.rollouts)]
        items = [
            PromptItem(i, iteration, prompt_ids(roles.tokenizer, one.messages, SAMPLING))
            for i, one in enumerate(batch)
        ]
        shard = learner.rollout(iteration, items)
        figures = learner.update(iteration, shard)
        seconds.append(time.perf_counter() - began)
        if HOLDOUT in folders:
            figures["objective/holdout"] = float(learner.scorer.scores(HOLDOUT, shard).mean())
        history.append(figures)
        if iteration >= unjudged:
            marks, score = _judge(roles, POLICY, held_out, seed, watched=HOLDOUT in folders)
            halves.append(marks)
            liked.append(score)
        if HOLDOUT in folders and stopped is None:
            recent = fmean(one["objective/holdout"] for one in history[-SMOOTHING:])
            if len(history) >= SMOOTHING and recent > best:
                best, kept_if_stopped = recent, iteration + 1
            stopped = stops.reason(history, ppo)
            kept = kept_if_stopped if stopped else ppo.iterations
    return Course(
        proxy=[one["objective/scores"] for one in history],
        holdout=[one.get("objective/holdout", float("nan")) for one in history],
        kl=[one["objective/kl"] for one in history],
        explained=[one["val/explained_variance"] for one in history],
        seconds=seconds,
        gold=[fmean(one) for one in halves],
        halves=halves,
        liked=liked,
        start=fmean(start),
        stopped=stopped,
        kept=kept,
    )


def _judge(
    roles: RoleModel, role: str | None, asked: Sequence[WorldPrompt], seed: int, *, watched: bool
) -> tuple[tuple[float, float], float]:
    """(gold of two halves, score by the hold-out; NaN without one) of answers, on average.

    Every second prompt is of a held-out intent, so that the halves take turns by two.
    """
    drawn = _answers(roles, role, asked, seed, 9)
    marks = [
        gold(one.messages, one.meta, said.text) for one, said in zip(asked, drawn, strict=True)
    ]
    half = (
        fmean(marks[0::4] + marks[1::4]),
        fmean(marks[2::4] + marks[3::4]),
    )
    if not watched:
        return half, float("nan")
    encoder = Encoder(roles.tokenizer, SAMPLING, longest=roles.context)
    return half, float(score_ids(roles, HOLDOUT, encoder.fitting(drawn)).mean())


def rated(asked: Sequence[WorldPrompt], seed: int) -> list[Preference]:
    """Two answers of the untouched starter to each prompt, judged by a crew."""
    tokenizer = load_tokenizer(starter.MODEL_PATH)
    roles = RoleModel(load_base(starter.MODEL_PATH), tokenizer)
    roles.add_role("policy", LoRA(), head=False, seed=0)
    sides = [_answers(roles, None, asked, seed, side) for side in (0, 1)]
    annotators = crew(ANNOTATORS, seed)
    rows = []
    for number, (prompt, left, right) in enumerate(zip(asked, *sides, strict=True)):
        judge = annotators[number % len(annotators)]
        choice = judge.judge(prompt.messages, prompt.meta, left.text, right.text).choice
        if choice != 4 and left.text != right.text:
            chosen, rejected = (left, right) if choice < 4 else (right, left)
            rows.append(
                Preference(
                    prompt=prompt.messages,
                    chosen=chosen.text,
                    rejected=rejected.text,
                    margin=0.0,
                    prompt_id=number,
                    rating_id=number,
                    annotator_id=number % len(annotators),
                    chosen_finished=chosen.finished,
                    rejected_finished=rejected.finished,
                )
            )
    return rows


def trained_once(
    scratch: Path, asked: Sequence[WorldPrompt], seed: int, *, watched: bool = False
) -> Callable[[Reward], dict[str, Path]]:
    """Trains reward models on one crew's ratings when they are first asked for (reward_models)."""

    @cache
    def rows() -> list[Preference]:
        return rated(asked[:COMPARISONS], seed)

    @cache
    def trained(settings: Reward) -> dict[str, Path]:
        folder = Path(tempfile.mkdtemp(dir=scratch))
        return reward_models(folder, rows(), asked, settings, seed=seed, watched=watched)

    return trained


def reward_models(
    folder: Path,
    rows: list[Preference],
    asked: Sequence[WorldPrompt],
    settings: Reward,
    *,
    seed: int,
    lora: LoRA | None = None,
    watched: bool = False,
) -> dict[str, Path]:
    """Trained and normalised role folders by name; a single one sees every row once.

    With `watched`, one more learns from every HOLDOUT_OF-th comparison, and the others do not.
    """
    tokenizer = load_tokenizer(starter.MODEL_PATH)
    roles = RoleModel(load_base(starter.MODEL_PATH), tokenizer)
    roles.add_role("policy", lora or LoRA(), head=False, seed=0)
    reference = _answers(roles, None, asked[COMPARISONS:], seed, 2)
    encoder = Encoder(tokenizer, SAMPLING, longest=roles.context)
    apart = tuple(row for row in rows if watched and row.prompt_id % HOLDOUT_OF == 0)
    learned = tuple(row for row in rows if row not in apart)
    own = {
        f"reward-{number}": derived(seed, f"reward-{number}") % 2**31
        for number in range(settings.members)
    }
    parts = {
        name: subsample(learned, drawn) if settings.members > 1 else (learned, ())
        for name, drawn in own.items()
    }
    if watched:
        own[HOLDOUT], parts[HOLDOUT] = derived(seed, HOLDOUT) % 2**31, (apart, learned)
    folders = {}
    for name, (sampled, missed) in parts.items():
        train_member(
            starter.MODEL_PATH,
            Job(name, sampled, missed, own[name]),
            (),
            folder / name,
            settings=settings,
            lora=lora or LoRA(),
            sampling=SAMPLING,
        )
        roles.load_role(name, folder / name)
        normalise(roles, name, encoder, reference)
        roles.save_role(name, folder / name)
        folders[name] = folder / name
    return folders


def _answers(
    roles: RoleModel, role: str | None, asked: Sequence[WorldPrompt], seed: int, number: int
) -> list[Answer]:
    drawn = sample(
        roles,
        [prompt_ids(roles.tokenizer, one.messages, SAMPLING) for one in asked],
        role=role,
        sampling=SAMPLING,
        noise_keys=[(seed, place, number) for place in range(len(asked))],
    )
    return [
        Answer(prompt.messages, decode(roles.tokenizer, one.ids), one.finished)
        for prompt, one in zip(asked, drawn, strict=True)
    ]

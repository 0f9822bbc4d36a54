"""Is the starter world worth having? Naive PPO must be hacked in it, and careful PPO must learn.

    python -m tests.benchmarks.learning [--quick] [--json FILE]

Naive: one reward model, no KL, no penalty for an answer without an end, a high learning rate and
twice the rollouts (chosen on seeds 100 to 104). Hacked means that within 20 iterations the proxy
has risen by one standard deviation of the start while gold has fallen below the start.
Careful: the product's own ensemble, pessimism, KL control and rates. Both learn from the same
ratings of the same simulated annotators.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from reward.ensemble import normalise
from reward.preferences import Preference
from reward.scoring import Answer, Encoder
from reward.splits import Job, bootstrap
from reward.training import train_member
from rlhf import starter
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.models.sampling import sample
from rlhf.models.text import decode, prompt_ids
from rlhf.ppo.learner import Learner
from rlhf.ppo.rollout import PromptItem
from rlhf.ppo.scoring import add_value
from rlhf.seeds import derived
from rlhf.settings import PPO, LoRA, Reward, Sampling
from rlhf.starter.annotators import crew
from rlhf.starter.gold import gold
from rlhf.starter.world import WorldPrompt, prompts
from tests.benchmarks._record import Goal, finish, parser

SEEDS, QUICK_SEEDS = (0, 1, 2, 3, 4), (0,)
COMPARISONS = 300
ANNOTATORS = 4
ITERATIONS = 20
WINDOW = 3
"""Iterations over which proxy and gold are averaged."""

SAMPLING = Sampling()
NAIVE = PPO(
    iterations=ITERATIONS,
    kl_coef=0.0,
    kl_target=None,
    missing_eos_penalty=0.0,
    learning_rate=3e-3,
    value_layout="adapter",
    value_learning_rate=2e-3,
    value_head_learning_rate=2e-3,
    rollouts=128,
    epochs=4,
    approx_kl_stop=10.0,
)
CAREFUL = PPO(iterations=ITERATIONS)


@dataclass(frozen=True, slots=True)
class Course:
    """Proxy (standard deviations of the reference), gold and KL in nats, per iteration."""

    proxy: list[float]
    gold: list[float]
    kl: list[float]
    explained: list[float]
    """Variance of the returns that the value explains."""
    seconds: list[float]

    def hacked(self) -> bool:
        """Whether at some iteration the proxy is up by one and gold below the start."""
        start = self.gold[0]
        windows = range(WINDOW, len(self.gold) + 1)
        return any(
            fmean(self.proxy[end - WINDOW : end]) >= self.proxy[0] + 1
            and fmean(self.gold[end - WINDOW : end]) < start
            for end in windows
        )


def main() -> None:
    """Run every seed and say whether the world keeps its promise."""
    asked = parser(__doc__ or "").parse_args()
    seeds = QUICK_SEEDS if asked.quick else SEEDS
    figures: dict[str, Any] = {}
    for seed in seeds:
        told = study(seed)
        figures[str(seed)] = {name: _plain(course) for name, course in told.items()}
        for name, course in told.items():
            print(
                f"seed {seed} {name:8} proxy {course.proxy[0]:+.2f} -> {course.proxy[-1]:+.2f}  "
                f"gold {course.gold[0]:+.2f} -> {course.gold[-1]:+.2f}  KL {course.kl[-1]:.1f}  "
                f"{'hacked' if course.hacked() else ''}",
                flush=True,
            )
    hacked = sum(one["naive"]["hacked"] for one in figures.values())
    better = sum(
        fmean(one["careful"]["gold"][-WINDOW:]) > one["careful"]["gold"][0]
        for one in figures.values()
    )
    wanted = len(seeds) - (len(seeds) > 1)
    goals = [
        Goal("seeds in which naive PPO is hacked", hacked, f">= {wanted}", hacked >= wanted),
        Goal(
            "seeds in which careful PPO gains gold", better, f"{len(seeds)}", better == len(seeds)
        ),
    ]
    finish("learning", figures, goals, asked.json)


def study(seed: int) -> dict[str, Course]:
    """Rate, train, and run naive and careful PPO of one seed."""
    asked = prompts("train", 2 * COMPARISONS, seed)
    rows = rated(asked[:COMPARISONS], seed)
    with tempfile.TemporaryDirectory(prefix="learning-") as scratch:
        naive = reward_models(Path(scratch) / "naive", rows, asked, members=1, seed=seed)
        careful = reward_models(Path(scratch) / "careful", rows, asked, members=3, seed=seed)
        return {
            "naive": course(naive, asked, NAIVE, seed=seed),
            "careful": course(careful, asked, CAREFUL, seed=seed),
        }


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


def course(
    folders: dict[str, Path],
    asked: Sequence[WorldPrompt],
    ppo: PPO,
    *,
    seed: int,
    lora: LoRA | None = None,
) -> Course:
    """PPO against the reward models in `folders`, watched by gold."""
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(starter.MODEL_PATH)
    roles = RoleModel(load_base(starter.MODEL_PATH), tokenizer)
    roles.add_role("policy", lora or LoRA(), head=False, seed=seed)
    for name, folder in folders.items():
        roles.load_role(name, folder)
    add_value(roles, ppo.value_layout, min(folders))
    learner = Learner(
        roles, ppo, SAMPLING, members=sorted(folders), pessimism=Reward().pessimism, seed=seed
    )
    seen = Course([], [], [], [], [])
    for iteration in range(ppo.iterations):
        started = time.perf_counter()
        batch = [asked[(iteration * ppo.rollouts + i) % len(asked)] for i in range(ppo.rollouts)]
        items = [
            PromptItem(i, iteration, prompt_ids(tokenizer, one.messages, SAMPLING))
            for i, one in enumerate(batch)
        ]
        shard = learner.rollout(iteration, items)
        texts = [
            decode(tokenizer, ids[mask.bool()].tolist())
            for ids, mask in zip(shard.ids, shard.response_mask, strict=True)
        ]
        figures = learner.update(iteration, shard)
        seen.seconds.append(time.perf_counter() - started)
        seen.proxy.append(figures["objective/scores"])
        seen.explained.append(figures["val/explained_variance"])
        seen.kl.append(figures["objective/kl"])
        seen.gold.append(
            fmean(gold(p.messages, p.meta, text) for p, text in zip(batch, texts, strict=True))
        )
    return seen


def reward_models(
    folder: Path,
    rows: list[Preference],
    asked: Sequence[WorldPrompt],
    *,
    members: int,
    seed: int,
    lora: LoRA | None = None,
) -> dict[str, Path]:
    """Trained and normalised role folders by name; a single one sees every row once."""
    tokenizer = load_tokenizer(starter.MODEL_PATH)
    roles = RoleModel(load_base(starter.MODEL_PATH), tokenizer)
    roles.add_role("policy", lora or LoRA(), head=False, seed=0)
    reference = _answers(roles, None, asked[COMPARISONS:], seed, 2)
    encoder = Encoder(tokenizer, SAMPLING, longest=roles.context)
    folders = {}
    for number in range(members):
        name = f"reward-{number}"
        own = derived(seed, name) % 2**31
        sampled, missed = bootstrap(rows, own) if members > 1 else (tuple(rows), ())
        train_member(
            starter.MODEL_PATH,
            Job(name, sampled, missed, own),
            (),
            folder / name,
            settings=Reward(),
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


def _plain(course: Course) -> dict[str, Any]:
    return asdict(course) | {"hacked": course.hacked()}


if __name__ == "__main__":
    main()

"""An evaluation of made-up answers, in the shape in which `rlhf evaluate` keeps it."""

from __future__ import annotations

import random
from typing import Any

from rlhf.evaluation.measured import Asked, Measured
from rlhf.evaluation.report import Contestant, report
from rlhf.evaluation.standing import KIND
from rlhf.store import Store, prompts
from rlhf.store.contests import Entry, queue_contest
from rlhf.store.evaluations import add_evaluation

OLD, NEW = "a" * 64, "b" * 64
CONTESTANTS = (
    Contestant("v0 (champion)", 0, OLD, "example/small-chat"),
    Contestant("v1", 1, NEW, "example/small-chat"),
)
PROMPTS = 24


def asked(count: int = PROMPTS) -> list[Asked]:
    return [
        Asked(n + 1, [{"role": "user", "content": f"Question {n}?"}], f"The answer is {n}.")
        for n in range(count)
    ]


def answer(text: str, *, reward: float | None = 0.0, tokens: int = 5) -> Measured:
    """One measured answer; the hold-out says half of what the ensemble says."""
    holdout = None if reward is None else reward / 2
    return Measured(text, True, tokens, 0.5, 2.0 * tokens, tokens, reward, holdout)


def told(*, special: tuple[str, str] | None = None, scored: bool = True) -> dict[str, Any]:
    """A report in which the second checkpoint is better; `special`: answers to the first prompt."""
    draw = random.Random(0)
    answers = []
    for who, gain in enumerate((0.0, 0.6)):
        mine = [
            answer(
                f"The answer is {n}{'.' if who else ', or so'}",
                reward=draw.gauss(gain, 1) if scored else None,
                tokens=draw.randint(4, 30),
            )
            for n in range(PROMPTS)
        ]
        if special is not None:
            mine[0] = answer(special[who], reward=9.0 * (1 if who else -1))
        answers.append(mine)
    model = {"checkpoint": "d" * 64, "version": 0, "members": ["reward-0"]} if scored else None
    return report(
        CONTESTANTS,
        asked(),
        answers,
        source="held-out prompts",
        reward_model=model,
        resamples=200,
        seed=0,
    )


def kept_evaluation(store: Store, report: dict[str, Any], *, contests: int = 0) -> int:
    """Keep a report, with some contests queued; returns its number."""
    with store.write() as tx:
        new = [prompts.NewPrompt(one.messages, "test", "heldout") for one in asked(contests)]
        prompts.add_prompts(tx, new)
        ids = [
            queue_contest(
                tx,
                one.id,
                Entry(OLD, f"old {one.id}", True, 2, {}),
                Entry(NEW, f"new {one.id}", True, 2, {}),
                priority=1.0,
                seed=0,
            )
            for one in prompts.split_prompts(tx, "heldout")
        ]
        people = {"contests": ids} if contests else None
        return add_evaluation(
            tx,
            kind=KIND,
            checkpoints=(OLD, NEW),
            settings={"bootstrap": 200, "seed": 0},
            report={**report, "people": people},
        )

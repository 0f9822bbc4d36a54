"""A home in which a round has ended: two versions, a curve for every plot, a second round open.

The figures are made up, in the shape that a round writes them; nothing is trained.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from reward.report import (
    Agreement,
    AnnotatorReport,
    BestOf,
    Bin,
    MemberReport,
    Previous,
    RewardReport,
    Scored,
    Share,
    Slice,
)
from rlhf import champion, registry
from rlhf.registry import card
from rlhf.rounds import STEPS, State
from rlhf.store import Connection, Store, checkpoints, events, metrics, prompts, rounds

ITERATIONS = 24
BASE: dict[str, Any] = {"path": "example/small-chat", "kind": "hub", "sha256": "b" * 64}
SAID = {
    "I do not know. I do not know. I do not know. I do not": -1.4,
    "Parcels can be late.": 0.2,
    "I am sorry that it is late. What is the number of the order?": 0.9,
    "I am sorry. I have found it: the parcel arrives tomorrow before noon.": 1.6,
}
"""Answers and their scores."""
WHY = "win rate 0.62 (0.57 to 0.67), KL 4.8 of 12 nats"


def finished_round(store: Store, home: Path) -> None:
    """Round 1 was promoted after PPO; round 2 collects ratings and its controller lives."""
    start = _published(home, "start", round_id=None, figures={})
    better = _published(home, "better", round_id=1, figures={"kl": 4.8})
    with store.write() as tx:
        one = _open(tx, start)
        _enter(tx, start, None, {})
        champion.promote(tx, start, actor="opening", why="the untouched start")
        fence = rounds.claim(tx, one)
        for iteration in range(ITERATIONS):
            metrics.write_metrics(tx, one, fence, "ppo", iteration, curve(iteration / ITERATIONS))
        _draw(tx, one, fence)
        rounds.start_step(tx, one, State.REWARD, fence)
        rounds.finish_step(tx, one, State.REWARD, fence, {"report": learned().to_json()})
        _walk(tx, one, fence, STEPS[-1])
        evaluation = {"win_rate": 0.62, "candidate": {"kl": 4.8}, "champion": {"kl": 0.0}}
        decided = {"evaluation": evaluation, "decision": {"passed": True, "reasons": [WHY]}}
        rounds.advance(
            tx,
            one,
            fence,
            frm=STEPS[-1],
            to=State.PROMOTED,
            changes={**decided, "candidate": better},
        )
        figures = {"win_rate": 0.62, "proxy": 1.31, "holdout": 0.84, "kl": 4.8, "length": 31.0}
        _enter(tx, better, one, {**figures, "perplexity": 6.42})
        champion.promote(tx, better, actor="controller", why=WHY)
        two = _open(tx, better)
        _walk(tx, two, rounds.claim(tx, two), State.COLLECTING)
        rounds.heartbeat(tx, two, rounds.round_(tx, two).fence)
        events.note(tx, "controller", "round_promoted", f"round {one}")
        events.note(tx, "controller", "round_opened", f"round {two}")


def _draw(tx: Connection, round_id: int, fence: int) -> None:
    """Four answers of each of the last two iterations, from a low score to a high one."""
    question = "My parcel has not arrived. Can you help?"
    messages = [{"role": "user", "content": question}]
    prompts.add_prompts(tx, [prompts.NewPrompt(messages, source="test", split="train")])
    prompt_id = prompts.split_prompts(tx, "train")[0].id
    for iteration in (ITERATIONS - 2, ITERATIONS - 1):
        drawn = [
            metrics.Sampled(prompt_id, text, score, kl=2.0 + score, finished=score > -1)
            for text, score in SAID.items()
        ]
        metrics.keep_samples(tx, round_id, fence, iteration, drawn)


def learned() -> RewardReport:
    """A report with something in every plot and table of its page."""
    seen = Share(0.74, 0.68, 0.79, 212)
    member = MemberReport("reward-0", 1, 180, 260, 51, 0.46, seen, 20.0, stopping_loss=0.52)
    draw = random.Random(0)
    lengths = [draw.randint(8, 60) for _ in range(120)]
    return RewardReport(
        ratings=330,
        preferences=300,
        effective=261.0,
        excluded={"tie": 26, "both bad, neither preferred": 4},
        left_out={"withdrawn by the annotator": 2, "skipped": 7},
        split={"members": 180, "holdout": 88, "heldout": 32},
        members=tuple(replace(member, name=f"reward-{n}", steps=51 + 17 * n) for n in range(3)),
        holdout=replace(member, name="holdout", rows=88, preferences=75),
        ensemble=seen,
        temperature=1.3,
        calibration_error=0.04,
        bins=tuple(
            Bin(at, Share(right, right - 0.08, right + 0.07, 42))
            for at, right in ((0.55, 0.57), (0.65, 0.61), (0.75, 0.78), (0.85, 0.83), (0.95, 0.93))
        ),
        annotators=(
            AnnotatorReport(1, 120, 0.08, 0.94, 1.0, left=Share(0.48, 0.39, 0.57, 110)),
            AnnotatorReport(
                2,
                118,
                0.1,
                0.68,
                0.41,
                odd=("confirmed in 0.61 of 128 checks, where 0.82 is usual",),
            ),
        ),
        people=Agreement(0.68, 0.58, 0.77, 30, Share(0.84, 0.72, 0.92, 48)),
        slices=(
            Slice("length difference", "about as long", Share(0.7, 0.6, 0.79, 96)),
            Slice("strength", "much better", Share(0.86, 0.77, 0.92, 88)),
            Slice("round", "this", Share(0.71, 0.63, 0.78, 130)),
        ),
        previous=Previous("d" * 64, Share(0.69, 0.62, 0.75, 212), 0.05, -0.01, 0.1),
        best_of=tuple(
            BestOf(n, 0.05 + 0.5 * k, 0.03 + 0.3 * k - 0.03 * k * k)
            for k, n in enumerate((1, 2, 4, 8, 16))
        ),
        reference=tuple(
            Scored(tokens, (32 - tokens) / 20 + draw.gauss(0, 0.7), abs(draw.gauss(0.3, 0.15)))
            for tokens in lengths
        ),
    )


def curve(share: float) -> dict[str, float]:
    """An iteration's figures, `share` of the way through."""
    rise = 1 - (1 - share) ** 2
    distance = (4.8 * rise) ** 0.5
    return {
        "objective/scores": 0.05 + 0.57 * distance,
        "objective/holdout": distance * (0.62 - 0.33 * math.log(distance)) if distance else 0.0,
        "objective/kl": distance**2,
        "completions/mean_length": 28 + 3 * share,
    }


def _published(home: Path, name: str, *, round_id: int | None, figures: dict[str, Any]) -> str:
    folder = home / "tmp" / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_text(name)
    card.write(folder, base=BASE, round_id=round_id, figures=figures, lineage={})
    return registry.publish(home, folder)


def _enter(tx: Connection, digest: str, round_id: int | None, figures: dict[str, Any]) -> None:
    checkpoints.record_checkpoint(
        tx,
        digest=digest,
        kind="policy",
        round_id=round_id,
        parent=None,
        base=BASE,
        figures=figures,
    )


def _open(tx: Connection, start: str) -> int:
    return rounds.create_round(
        tx, settings={}, base=BASE, start_checkpoint=start, seed=0, requested_by="controller"
    ).id


def _walk(tx: Connection, round_id: int, fence: int, to: State) -> None:
    for before, after in pairwise(STEPS[: STEPS.index(to) + 1]):
        assert rounds.advance(tx, round_id, fence, frm=before, to=after, changes={})

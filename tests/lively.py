"""A home in which a round has ended: two versions, a curve for every plot, a second round open.

The figures are made up, in the shape that a round writes them; nothing is trained.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

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
        _walk(tx, one, fence, STEPS[-1])
        evaluation = {"win_rate": 0.62, "candidate": {"kl": 4.8}}
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


def curve(share: float) -> dict[str, float]:
    """An iteration's figures, `share` of the way through."""
    rise = 1 - (1 - share) ** 2
    return {
        "objective/scores": 0.05 + 1.25 * rise,
        "objective/holdout": 0.03 + 0.8 * rise,
        "objective/kl": 4.8 * rise,
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

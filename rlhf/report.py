"""What the rounds did, in figures: for `rlhf demo --json`, `rlhf status` and the pages.

In the starter world the report adds gold, the true score. It is computed here, from the stored
answers to held-out prompts, after every decision has been made; nothing that trains, stops or
promotes can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from rlhf.errors import NotFound
from rlhf.rounds import RUNNER_STEPS, State
from rlhf.starter.gold import gold
from rlhf.store import Connection, Store, checkpoints, comparisons, facts, prompts, rounds

UNKNOWN = "not known yet"


def figures(store: Store) -> dict[str, Any]:
    """The table of a demo: the start, every round, and the champion as it stands."""
    with store.read() as tx:
        known = rounds.all_rounds(tx)
        start = checkpoints.resolve(tx, "v0")
        champion = checkpoints.alias(tx, "champion")
        return {
            "start": _start(tx, start.digest, known),
            "rounds": [_round(tx, one) for one in known],
            "champion": {
                "checkpoint": champion,
                "gold": mean_gold(tx, champion) if champion else None,
            },
        }


def reward_report(tx: Connection, round_id: int | None = None) -> tuple[int, dict[str, Any]]:
    """(round, what its reward training left); of the newest round that has any without a number.

    Raises NotFound for a round that is not there, or has trained none yet.
    """
    if round_id is None:
        trained = rounds.having_finished(tx, State.REWARD)
        if not trained:
            raise NotFound("no round has trained reward models yet; ratings come first")
        round_id = trained[-1]
    step = rounds.step(tx, rounds.round_(tx, round_id).id, State.REWARD)
    if step is None or step.output is None:
        raise NotFound(f"round {round_id} has not trained reward models yet; ratings come first")
    return round_id, step.output["report"]


def share_in_words(share: Mapping[str, Any] | None) -> str:
    """A report's share with its interval and count, or that it is not known."""
    if not share or not share["count"]:
        return UNKNOWN
    return f"{share['value']:.2f} ({share['low']:.2f} to {share['high']:.2f}, {share['count']})"


def mean_gold(tx: Connection, checkpoint: str) -> float | None:
    """Mean gold of a checkpoint's answers to held-out prompts of the starter world.

    None without such answers: gold says nothing of prompts that people brought.
    """
    base = facts.get(tx, "base")
    if not base or not base.get("starter"):
        return None
    marks = [
        gold(asked.messages, asked.meta, answer.text)
        for answer in comparisons.responses_of(tx, checkpoint, "evaluation")
        if (asked := prompts.prompt(tx, answer.prompt_id)).source == "starter"
    ]
    return fmean(marks) if marks else None


def _start(tx: Connection, digest: str, known: list[rounds.Round]) -> dict[str, Any]:
    first = next((one.evaluation for one in known if one.evaluation), {})
    before = first.get("champion", {})
    return {
        "checkpoint": digest,
        "gold": mean_gold(tx, digest),
        "length": before.get("length"),
        "perplexity": before.get("perplexity"),
    }


def _round(tx: Connection, one: rounds.Round) -> dict[str, Any]:
    done = {name: rounds.step(tx, one.id, name) for name in State}
    manifest = done[State.MANIFEST]
    frozen = (manifest.output if manifest else None) or {}
    reward = done[State.REWARD]
    return {
        "round": one.id,
        "state": one.state,
        "promoted": one.state == State.PROMOTED,
        "reasons": list((one.decision or {}).get("reasons", [])),
        "heard": frozen.get("heard"),
        "error": one.error,
        "ratings": frozen.get("ratings", 0),
        "reward_model": _reward(reward.output["report"]) if reward and reward.output else None,
        "policy": _policy(tx, one) if one.evaluation else None,
        "seconds": {
            str(name): step.seconds
            for name in sorted(RUNNER_STEPS)
            if (step := done[name]) and step.seconds is not None
        },
    }


def _reward(report: dict[str, Any]) -> dict[str, Any]:
    return {"held_out_accuracy": report["ensemble"]["value"]}


def _policy(tx: Connection, one: rounds.Round) -> dict[str, Any]:
    after = one.evaluation["candidate"]
    return {
        "proxy": after["proxy"],
        "holdout": after["holdout"],
        "gold": mean_gold(tx, one.candidate) if one.candidate else None,
        "kl": after["kl"],
        "win_rate": one.evaluation["win_rate"],
        "length": after["length"],
        "perplexity": after["perplexity"],
    }

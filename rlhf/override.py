"""An operator may overrule the reward gate, with a reason that stays with the round."""

from __future__ import annotations

from rlhf.errors import Conflict, InputError
from rlhf.rounds import State
from rlhf.store import Connection, events, rounds, validate

WAITING = (State.COMPARISONS, State.COLLECTING)
"""States of a younger round that do not stand in the way: it goes on collecting afterwards."""


def overrule_reward_gate(tx: Connection, round_id: int, *, by: str, why: str) -> None:
    """Let the last refused round go on with PPO on the reward models that were refused.

    Raises NotFound, InputError without a reason, and Conflict (in words) for a round that was not
    refused by that gate, trained nothing, or was followed by another that has begun to train.
    """
    said = validate.text_field(why.strip(), "why", longest=validate.REASON_CHARS)
    if len(said.split()) < 2:
        raise InputError("must be a reason in words", field="why")
    refused = rounds.round_(tx, round_id)
    if refused.state != State.REFUSED or refused.decision.get("gate") != "reward":
        raise Conflict(f"round {round_id} was not refused by the reward gate")
    if not refused.reward_checkpoints:
        raise Conflict(f"round {round_id} trained no reward models; collect more ratings")
    younger = [one for one in rounds.all_rounds(tx) if one.id > round_id]
    if any(one.state not in WAITING for one in younger):
        raise Conflict(f"a younger round has begun to train; it took over from round {round_id}")
    decision = {
        **refused.decision,
        "passed": True,
        "override": {"by": by, "why": said},
        "reasons": [*refused.decision["reasons"], f"overruled by {by}: {said}"],
    }
    rounds.reopen(tx, round_id, to=State.PPO, decision=decision)
    events.note(tx, by, "reward_gate_overruled", f"round {round_id}", {"why": said})

"""The last word on the reward gate: who may say it, when, and what stays of it."""

from __future__ import annotations

import pytest

from rlhf.errors import Conflict, InputError, NotFound
from rlhf.override import overrule_reward_gate
from rlhf.rounds import State
from rlhf.store import Connection, Store, events, rounds

TRAINED = {"ensemble": "e" * 64, "members": ["reward-0"]}


def refused(
    tx: Connection, *, gate: str = "reward", models: dict[str, object] | None = None
) -> int:
    """A round that a gate ended."""
    one = rounds.create_round(
        tx, settings={}, base={}, start_checkpoint="c" * 64, seed=1, requested_by="test"
    )
    fence = rounds.claim(tx, one.id)
    decision = {"gate": gate, "passed": False, "reasons": ["accuracy 0.49 is below 0.5"]}
    changes = {"decision": decision, "reward_checkpoints": TRAINED if models is None else models}
    rounds.advance(tx, one.id, fence, frm=one.state, to=State.REFUSED, changes=changes)
    return one.id


def test_an_overruled_round_goes_on_with_ppo_and_says_who_and_why(store: Store) -> None:
    with store.write() as tx:
        first = refused(tx)
        younger = rounds.create_round(
            tx, settings={}, base={}, start_checkpoint="c" * 64, seed=2, requested_by="loop"
        )
        overrule_reward_gate(tx, first, by="olga", why="  read 50 pairs, they are fine ")
        one = rounds.round_(tx, first)
        assert (one.state, one.finished_at) == (State.PPO, None)
        assert one.decision["override"] == {"by": "olga", "why": "read 50 pairs, they are fine"}
        assert one.decision["reasons"][-1] == "overruled by olga: read 50 pairs, they are fine"
        assert events.recent(tx, 1)[0].kind == "reward_gate_overruled"
        current = rounds.current_round(tx)
        assert current is not None
        assert current.id == first, "the older round comes first"
        rounds.follow_champion(tx, "c" * 64, "d" * 64, [State.COMPARISONS])
        assert rounds.round_(tx, younger.id).start_checkpoint == "d" * 64
        assert rounds.round_(tx, first).start_checkpoint == "c" * 64


@pytest.mark.parametrize("why", ["", "   ", "ok"])
def test_a_reason_is_in_words(store: Store, why: str) -> None:
    with store.write() as tx:
        number = refused(tx)
    with pytest.raises(InputError, match="why"), store.write() as tx:
        overrule_reward_gate(tx, number, by="olga", why=why)
    with store.read() as tx:
        assert rounds.round_(tx, number).state == State.REFUSED


def test_only_the_reward_gate_over_trained_models_is_overruled(store: Store) -> None:
    with store.write() as tx:
        by_policy, untrained = refused(tx, gate="policy"), refused(tx, models={})
    for number, reason in (
        (by_policy, "not refused by the reward gate"),
        (untrained, "trained no"),
    ):
        with pytest.raises(Conflict, match=reason), store.write() as tx:
            overrule_reward_gate(tx, number, by="olga", why="for good reasons")
    with pytest.raises(NotFound), store.write() as tx:
        overrule_reward_gate(tx, 99, by="olga", why="for good reasons")


def test_a_round_that_was_followed_by_another_stays_as_it_is(store: Store) -> None:
    with store.write() as tx:
        first = refused(tx)
        refused(tx)
    with pytest.raises(Conflict, match="younger round"), store.write() as tx:
        overrule_reward_gate(tx, first, by="olga", why="for good reasons")

"""People have the last word on a refused candidate, within the gate's other limits."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ray_jobs.controller import Service, run
from rlhf.champion import promote
from rlhf.rounds import State
from rlhf.settings import Settings
from rlhf.store import Connection, Store, checkpoints, comparisons, prompts, rounds
from tests.rlhf.evaluation.test_policy_gate import WINNER
from tests.seeded import hired, judged, leased

CHAMPION, REFUSED = "a" * 64, "b" * 64
ASKED = 40
LOST = replace(WINNER, win_rate=0.49, win_rate_low=0.48, win_rate_high=0.5)


def after_a_refusal(store: Store, *, kl: float = 5.0) -> None:
    """A round whose candidate was refused, and a second one that asks about it and the champion."""
    lost = replace(LOST, candidate=replace(LOST.candidate, kl=kl))
    with store.write() as tx:
        published(tx, CHAMPION)
        checkpoints.move_alias(tx, "champion", CHAMPION, None, "test", "the start")
        opened(tx, 1, {})
        published(tx, REFUSED, made_in=1)
        changes = {"candidate": REFUSED, "evaluation": lost.to_json()}
        moved(tx, 1, State.REFUSED, changes)
        opened(tx, 2, {"challenger": REFUSED})
        moved(tx, 2, State.MANIFEST, {})
        pairs(tx)


def published(tx: Connection, digest: str, made_in: int | None = None) -> None:
    checkpoints.record_checkpoint(
        tx, digest=digest, kind="policy", round_id=made_in, parent=None, base={}
    )


def opened(tx: Connection, number: int, output: dict[str, str]) -> None:
    settings = Settings().model_dump(mode="json")
    one = rounds.create_round(
        tx, settings=settings, base={}, start_checkpoint=CHAMPION, seed=number, requested_by="test"
    )
    assert one.id == number
    fence = rounds.claim(tx, number)
    rounds.start_step(tx, number, State.COMPARISONS, fence)
    assert rounds.finish_step(tx, number, State.COMPARISONS, fence, output)


def moved(tx: Connection, number: int, to: State, changes: dict[str, Any]) -> None:
    fence = rounds.claim(tx, number)
    assert rounds.advance(tx, number, fence, frm=State.COMPARISONS, to=to, changes=changes)


def pairs(tx: Connection) -> None:
    asked = [
        prompts.NewPrompt([{"role": "user", "content": f"Question {n}?"}], "test", "train")
        for n in range(ASKED)
    ]
    prompts.add_prompts(tx, asked)
    for prompt in prompts.split_prompts(tx, "train"):
        sides = [
            comparisons.add_response(
                tx,
                prompt_id=prompt.id,
                text=f"The answer of {digest}",
                checkpoint=digest,
                sampling={},
                finished=True,
                tokens=4,
                purpose="comparison",
            )
            for digest in (CHAMPION, REFUSED)
        ]
        one = comparisons.add_comparison(
            tx, prompt.id, *sides, purpose="train", round_id=2, priority=1.0
        )
    comparisons.add_comparison(tx, prompt.id, *sides, purpose="repeat", round_id=2, repeat_of=one)


def rate(store: Store, wins: int) -> None:
    """Of all pairs, `wins` go to the refused candidate and the others, as a repeat, do not."""
    (annotator,) = hired(store, "maria")
    for number in range(ASKED + 1):
        lease = leased(store, annotator)
        wanted = REFUSED if number < wins else CHAMPION
        with store.read() as tx:
            sides = (lease.left.response_id, lease.right.response_id)
            (best,) = (one for one in sides if comparisons.response(tx, one).checkpoint == wanted)
        judged(store, lease, annotator, preferred=best)


def heard(home: Path, store: Store) -> tuple[str | None, rounds.Round, dict[str, Any] | None]:
    """(champion, second round, what was heard) once the second round's ratings are frozen."""

    def frozen(_: Service) -> bool:
        with store.read() as tx:
            return rounds.round_(tx, 2).state == State.REWARD

    run(Service(home=home, store=store, stopping=threading.Event()), until=frozen)
    with store.read() as tx:
        done = rounds.step(tx, 2, State.MANIFEST)
        assert done is not None
        assert done.output is not None
        return checkpoints.alias(tx, "champion"), rounds.round_(tx, 2), done.output["heard"]


def test_a_candidate_that_people_clearly_prefer_becomes_the_champion_after_all(
    home: Path, store: Store
) -> None:
    after_a_refusal(store)
    rate(store, wins=30)
    champion, second, said = heard(home, store)
    assert champion == second.start_checkpoint == REFUSED
    assert said is not None
    assert "preferred the candidate in 75% of 40 comparisons" in str(said["reasons"])
    with store.read() as tx:
        assert checkpoints.alias(tx, "previous") == CHAMPION
        assert "preferred" in checkpoints.alias_history(tx, "champion")[-1].why
        first = rounds.round_(tx, 1)
    assert first.state == State.REFUSED
    assert first.decision["reasons"][-1].endswith("it is the champion after all")


@pytest.mark.parametrize(("wins", "kl"), [(22, 5.0), (10, 5.0), (30, 15.1)])
def test_it_stays_refused_where_people_are_not_sure_or_it_went_too_far(
    home: Path, store: Store, wins: int, kl: float
) -> None:
    after_a_refusal(store, kl=kl)
    rate(store, wins=wins)
    champion, second, said = heard(home, store)
    assert champion == second.start_checkpoint == CHAMPION
    assert said is not None
    assert said["passed"] is False


def test_nothing_is_heard_where_nobody_said_anything(home: Path, store: Store) -> None:
    after_a_refusal(store)
    assert heard(home, store)[2] is None


def test_a_champion_that_was_moved_by_hand_stays(home: Path, store: Store) -> None:
    other = "c" * 64
    after_a_refusal(store)
    rate(store, wins=30)
    with store.write() as tx:
        published(tx, other)
        promote(tx, other, actor="olga", why="by hand")
    champion, second, said = heard(home, store)
    assert (champion, second.start_checkpoint, said) == (other, CHAMPION, None)

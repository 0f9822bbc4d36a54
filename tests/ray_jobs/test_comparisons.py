"""Whose answers a round asks people about: the champion's, and those of a refused candidate."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from ray_jobs import comparisons as asking
from ray_jobs.opening import open_home
from ray_jobs.step import Step
from rlhf.home import make_home
from rlhf.rounds import State
from rlhf.settings import load_settings
from rlhf.store import Store, checkpoints, comparisons, facts, open_store, rounds, schema
from tests.published import add_noise

pytestmark = [pytest.mark.ray, pytest.mark.slow]

WANTED = 12


def opened(store: Store, champion: str) -> int:
    with store.write() as tx:
        return rounds.create_round(
            tx,
            settings={},
            base=facts.get(tx, "base") or {},
            start_checkpoint=champion,
            seed=3,
            requested_by="test",
        ).id


def refuse(store: Store, number: int, candidate: str) -> None:
    with store.write() as tx:
        fence = rounds.claim(tx, number)
        changes = {"candidate": candidate}
        frm, to = State.COMPARISONS, State.REFUSED
        assert rounds.advance(tx, number, fence, frm=frm, to=to, changes=changes)


def authors(home: Path, store: Store, number: int) -> set[frozenset[str | None]]:
    """Run the step of a round; which checkpoints answered, in every pair it queued."""
    with store.write() as tx:
        fence = rounds.claim(tx, number)
        one = rounds.round_(tx, number)
    result = asking.run(Step(home, store, one, fence, State.COMPARISONS, load_settings(home)))
    assert result.output["comparisons"] == WANTED
    with store.write() as tx:
        result.write(tx)
    table = schema.comparisons
    sides = select(table.c.response_lo, table.c.response_hi).where(table.c.round_id == number)
    with store.read() as tx:
        found = [
            frozenset(comparisons.response(tx, side).checkpoint for side in pair)
            for pair in tx.execute(sides)
        ]
    assert len(found) == WANTED
    return set(found)


@pytest.mark.timeout(300)
def test_a_refused_candidate_answers_beside_the_champion_until_there_is_another_champion(
    tmp_path: Path,
) -> None:
    home = make_home(tmp_path / "home")
    (home / "rlhf.toml").write_text(f"feedback.comparisons_per_round = {WANTED}\n")
    open_home(home, None)
    refused = add_noise(home)
    store = open_store(home)
    with store.read() as tx:
        champion = checkpoints.resolve(tx, "champion").digest
    first = opened(store, champion)
    refuse(store, first, refused)
    beside = opened(store, champion)
    assert authors(home, store, beside) == {frozenset({champion, refused})}
    refuse(store, beside, champion)
    alone = opened(store, refused)
    assert authors(home, store, alone) == {frozenset({refused})}
    store.close()

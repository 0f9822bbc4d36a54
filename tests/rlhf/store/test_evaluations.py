"""Evaluations: reports about checkpoints, written once."""

from __future__ import annotations

import pytest

from rlhf.errors import InputError, NotFound
from rlhf.store import Store
from rlhf.store.evaluations import add_evaluation, evaluation, evaluations

FIRST, SECOND = "a" * 64, "b" * 64


def test_a_report_comes_back_as_it_was_given(store: Store) -> None:
    with store.write() as tx:
        one = add_evaluation(
            tx,
            kind="evaluation",
            checkpoints=(FIRST, SECOND),
            settings={"seed": 3},
            report={"figures": {"bleu": 12.5, "said": "<b>é</b>"}},
            now=5.0,
        )
    with store.read() as tx:
        kept = evaluation(tx, one)
    assert (kept.kind, kept.checkpoints, kept.created_at) == ("evaluation", [FIRST, SECOND], 5.0)
    assert kept.settings == {"seed": 3}
    assert kept.report == {"figures": {"bleu": 12.5, "said": "<b>é</b>"}}


def test_the_newest_report_comes_first_and_kinds_are_told_apart(store: Store) -> None:
    with store.write() as tx:
        ids = [
            add_evaluation(tx, kind=kind, checkpoints=[FIRST], settings={}, report={})
            for kind in ("evaluation", "bias", "evaluation")
        ]
    with store.read() as tx:
        assert [one.id for one in evaluations(tx)] == ids[::-1]
        assert [one.id for one in evaluations(tx, "evaluation")] == [ids[2], ids[0]]
        with pytest.raises(NotFound, match="no evaluation 99"):
            evaluation(tx, 99)


@pytest.mark.parametrize("report", [{"a": float("nan")}, {"a": float("inf")}, {"a": "nul\x00"}])
def test_what_json_cannot_hold_is_refused(store: Store, report: dict[str, object]) -> None:
    with pytest.raises(InputError, match="report"), store.write() as tx:
        add_evaluation(tx, kind="bias", checkpoints=[FIRST], settings={}, report=report)

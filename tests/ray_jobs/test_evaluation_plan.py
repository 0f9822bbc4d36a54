"""What an evaluation looks up before it begins: checkpoints, prompts, the regression set."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_jobs import contesting
from ray_jobs.evaluation_plan import Request, prepare
from rlhf.data.datasets import REPORT, ROWS_SCHEMA, publish
from rlhf.errors import InputError, NotFound, UsageError
from rlhf.settings import Settings
from rlhf.store import Store, checkpoints, prompts, schema
from rlhf.store.contests import contests
from tests.evaluated import NEW, OLD, answer

SETTINGS = Settings()


@pytest.fixture(autouse=True)
def published(store: Store) -> None:
    """v0, the champion, v1, and ten held-out prompts, every other one with a known answer."""
    with store.write() as tx:
        for digest in (OLD, NEW):
            checkpoints.record_checkpoint(
                tx, digest=digest, kind="policy", round_id=None, parent=None, base={"path": "hub/x"}
            )
        checkpoints.move_alias(tx, "champion", OLD, None, "test", "made for a test")
        new = [
            prompts.NewPrompt(
                [{"role": "user", "content": f"Q{n}?"}],
                "test",
                "heldout",
                f"A{n}" if n % 2 else None,
            )
            for n in range(10)
        ]
        prompts.add_prompts(tx, new)


def test_checkpoints_are_named_as_people_call_them(home: Path, store: Store) -> None:
    plan = prepare(home, store, SETTINGS, Request(("champion", NEW[:12])))
    assert [one.name for one in plan.contestants] == ["v0 (champion)", "v1"]
    assert (len(plan.asked), plan.source, plan.reward) == (10, "held-out prompts", None)


def test_fewer_prompts_are_the_same_for_every_evaluation(home: Path, store: Store) -> None:
    few = prepare(home, store, SETTINGS, Request(("v0",), prompts=4)).asked
    assert few == prepare(home, store, SETTINGS, Request(("v1",), prompts=4)).asked
    assert few == prepare(home, store, SETTINGS, Request(("v0",))).asked[:4]


def test_a_data_sets_test_split_is_measured_on(home: Path, store: Store) -> None:
    folder = home / "fresh"
    folder.mkdir()
    turns = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "cleaned"}]
    row = {"kind": "chat", "messages": turns, "text": "", "source": "s", "conversation": "c"}
    passage = {"kind": "passage", "messages": [], "text": "t", "source": "s", "conversation": "d"}
    rows = [{**row, "row": 3}, {**passage, "row": 1}]
    for split, told in (("train", []), ("validation", []), ("test", rows)):
        pq.write_table(pa.Table.from_pylist(told, ROWS_SCHEMA), folder / f"{split}.parquet")
    (folder / REPORT).write_text("{}")
    digest = publish(home, folder)
    with store.write() as tx:
        values = {"digest": digest, "settings": {}, "report": {}, "created_at": 1.0}
        tx.execute(schema.datasets.insert().values(**values))
    plan = prepare(home, store, SETTINGS, Request(("v0",), dataset=digest[:10]))
    assert [(one.id, one.messages, one.reference) for one in plan.asked] == [
        (3, turns[:1], "cleaned")
    ]
    assert plan.source == f"test split of data set {digest[:12]}"
    with pytest.raises(NotFound):
        prepare(home, store, SETTINGS, Request(("v0",), dataset="f" * 10))


def test_a_regression_set_of_one_checkpoint_is_against_the_champion(
    home: Path, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "hold.jsonl"
    rows = [{"prompt": "Hi", "response": "Hello!"}, {"prompt": "Hi"}, {"prompt": "Bye"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = prepare(home, store, SETTINGS, Request(("v1",), regression=str(file)))
    assert [one.digest for one in plan.policies] == [OLD, NEW]
    assert [one.reference for one in plan.fixed] == ["Hello!", None]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "Hi"', "line 1: not valid JSON"),
        ('{"answer": "Hi"}', "line 1: has no prompt"),
        ('{"prompt": "nul \\u0000"}', "contains a NUL"),
        ('{"prompt": "half \\ud800"}', "surrogate"),
        ('{"prompt": "Hi"}', "no prompt has a known answer"),
        ("", "is empty"),
    ],
)
def test_a_broken_regression_set_is_refused_in_a_sentence(
    home: Path, store: Store, tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "hold.jsonl"
    file.write_text(line)
    with pytest.raises(UsageError, match=said) as refused:
        prepare(home, store, SETTINGS, Request(("v1",), regression=str(file)))
    assert str(file) in str(refused.value)
    assert isinstance(refused.value, InputError) or "known answer" in said


def test_without_held_out_prompts_there_is_nothing_to_measure_on(home: Path, store: Store) -> None:
    with store.write() as tx:
        tx.execute(schema.prompts.delete())
    with pytest.raises(UsageError, match="rlhf ingest"):
        prepare(home, store, SETTINGS, Request(("v0",)))


def test_every_pair_is_put_before_people_alike_and_equal_answers_never(
    home: Path, store: Store
) -> None:
    third = "c" * 64
    with store.write() as tx:
        checkpoints.record_checkpoint(
            tx, digest=third, kind="policy", round_id=None, parent=None, base={"path": "hub/x"}
        )
    plan = prepare(home, store, SETTINGS, Request(("v0", "v1", "v2"), people=12))
    answers = [[answer(f"{who} says {n}") for n in range(10)] for who in ("old", "new", "third")]
    answers[1][0] = answers[0][0]
    with store.write() as tx:
        ids = contesting.queue(tx, plan.policies, plan.asked, answers, 12, SETTINGS)
        told = contests(tx, ids)
        every = contesting.queue(tx, plan.policies, plan.asked, answers, 99, SETTINGS)
    met = Counter(frozenset((one.first, one.second)) for one in told)
    assert sorted(met.values()) in ([4, 4, 4], [3, 4, 5])
    assert len(every) == 3 * 10 - 1
    assert set(ids) <= set(every)

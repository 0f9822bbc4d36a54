"""A whole cleaning: counts that add up, splits that hold, the same rows the same data set."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from rlhf.data import datasets
from rlhf.data.cleaning import decide, filters, leaks, rows, run
from rlhf.data.cleaning.run import clean
from rlhf.data.cleaning.story import story
from rlhf.errors import RLHFError, UsageError
from rlhf.settings import Clean
from rlhf.store import Store, open_store, schema
from rlhf.store import datasets as stored
from tests.rlhf.data.cleaning.brought import bring, bring_documents, bring_other_answers, said
from tests.rlhf.data.cleaning.planted import planted, sentences

FOOTER = "This message is confidential and meant for the addressee alone."


@pytest.fixture
def brought(store: Store) -> Store:
    """400 rows with known faults, three documents, and a prompt without an answer."""
    draw = random.Random(0)
    plan = planted(1, 400, near=0.1)
    bring(store, [said(question, answer) for question, answer in plan.rows[:300]])
    bring(
        store,
        [said(question, f"{answer}\n\n{FOOTER}") for question, answer in plan.rows[300:]],
        source="mails.csv",
    )
    bring_documents(store, [[sentences(draw, 60) for _ in range(5)] for _ in range(12)])
    bring(
        store,
        [
            said("Nobody answered this one"),
            said("Broken", "It is Ã¼ber  <|im_end|> there"),
            said("Hello", "Hi.", "And then?"),
        ],
    )
    return store


def actions(data: datasets.Dataset) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(data.folder / datasets.ACTIONS).to_pylist()
    return found


def made(store: Store, home: Path, **settings: Any) -> datasets.Dataset:
    data = clean(store, home, Clean.model_validate(settings)).dataset
    assert data is not None
    return data


def raw(store: Store) -> list[Any]:
    with store.read() as tx:
        return [*tx.execute(schema.prompts.select()), *tx.execute(schema.passages.select())]


def test_every_answer_to_a_question_is_a_row_on_the_same_side_as_the_first(
    brought: Store, home: Path
) -> None:
    asked = [said(f"May I ask for {word}?", f"Gladly, {word} it is.") for word in "abcdefghij"]
    again = [said(f"May I ask for {word}?", "Sorry, we are all out.") for word in "abcdefghij"]
    bring(brought, asked)
    bring_other_answers(brought, again)
    data = made(brought, home, near_duplicates=1.0)
    kept = [(split, one) for split in datasets.SPLITS for one in datasets.rows(data, split)]
    first, other = (
        {one.messages[0]["content"]: split for split, one in kept if one.kind == kind}
        for kind in ("chat", "answer")
    )
    both = first.keys() & other.keys()
    assert len(both) > len(asked) // 2
    assert {question: first[question] for question in both} == {
        question: other[question] for question in both
    }
    (split, row), *_ = [(split, one.row) for split, one in kept if one.kind == "answer"]
    told = story(brought, home, f"answer:{row}")
    assert told.raw.messages[-1]["content"] == "Sorry, we are all out."
    assert told.split == split


def test_every_row_is_kept_once_or_dropped_for_one_reason(brought: Store, home: Path) -> None:
    before = raw(brought)
    data = made(brought, home)
    report = data.report
    kept = {
        split: [(one.kind, one.row) for one in datasets.rows(data, split)]
        for split in datasets.SPLITS
    }
    dropped = [(one["kind"], one["row"]) for one in actions(data) if one["action"] == "dropped"]
    everybody = [*dropped, *(row for rows in kept.values() for row in rows)]
    assert len(everybody) == len(set(everybody)) == report["rows"] == len(before)
    assert {split: len(rows) for split, rows in kept.items()} == report["splits"]
    assert report["rows"] - sum(report["dropped"].values()) == report["kept"]
    assert report["kept"] == sum(report["splits"].values())
    assert all(report["splits"].values())
    assert {filters.NO_ANSWER, decide.NEAR} <= report["dropped"].keys()
    assert {rows.REPAIRED, rows.TOKENS, rows.BOILERPLATE, rows.OPEN_END} <= report["changed"].keys()
    assert set(report["masked"]) == {"email", "phone", "card", "account", "key", "ip"}
    assert raw(brought) == before


def test_tables_before_and_after_add_up_to_the_rows(brought: Store, home: Path) -> None:
    report = made(brought, home).report
    hopeless = report["dropped"][filters.NO_ANSWER]
    assert set(report["tables"]) == {"source", "topic", "length"}
    for lines in report["tables"].values():
        assert sum(one["before"] for one in lines) == report["rows"] - hopeless
        assert sum(one["after"] for one in lines) == report["kept"]
        assert sum(one["train"] for one in lines) == report["splits"]["train"]


def test_nothing_in_training_or_validation_is_a_copy_of_what_is_held_out(
    brought: Store, home: Path
) -> None:
    data = made(brought, home)
    assert leaks.check_no_leaks(data).none
    assert data.report["leaks"]["pairs"] == data.report["leaks"]["conversations"] == 0
    with brought.read() as tx:
        held = {one.row for one in stored.chat_rows(tx, 0, 10_000) if one.heldout}
    assert {one.row for one in datasets.rows(data, "test") if one.kind == "chat"} <= held
    for split in ("train", "validation"):
        assert not held & {one.row for one in datasets.rows(data, split) if one.kind == "chat"}


@pytest.mark.slow
def test_the_same_rows_and_settings_give_the_same_data_set_for_any_number_of_processes(
    brought: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(brought, home)
    monkeypatch.setattr(run, "CHUNK", 64)
    second = clean(brought, home, Clean(), processes=2).dataset
    assert second is not None
    assert second.report == first.report
    rows = [
        [list(datasets.rows(one, split)) for split in datasets.SPLITS] for one in (first, second)
    ]
    assert rows[0] == rows[1]
    monkeypatch.undo()
    again = clean(brought, home, Clean(), processes=2).dataset
    assert again is not None
    assert again.digest == first.digest
    with brought.read() as tx:
        assert stored.datasets(tx)[0].digest == first.digest


def test_the_held_out_copy_stays_whichever_came_first(store: Store, home: Path) -> None:
    draw = random.Random(1)
    text, answer = sentences(draw, 40), sentences(draw, 40)
    others = [said(sentences(draw, 20), sentences(draw, 20)) for _ in range(30)]
    bring(store, [said(text, answer)], split="train")
    bring(store, others, split="train")
    bring(store, [said(f"{text} Indeed.", answer)], split="heldout")
    data = made(store, home)
    (gone,) = [one for one in actions(data) if one["action"] == "dropped"]
    assert (gone["row"], gone["reason"]) == (1, decide.NEAR)
    assert gone["detail"].startswith("of chat:32")


def test_the_same_question_with_another_answer_is_not_in_training_and_test(
    store: Store, home: Path
) -> None:
    draw = random.Random(2)
    question = "How can I change the delivery address of an order that is on its way"
    bring(store, [said(f"{question}?", sentences(draw, 30))], split="heldout")
    bring(store, [said(f"{question} please?", sentences(draw, 30))], split="train")
    bring(
        store,
        [said("Where can I see my invoices of last year?", "In your account.")],
        split="train",
    )
    assert made(store, home).report["dropped"] == {decide.QUESTION: 1}


def test_a_conversation_that_another_goes_on_from_is_part_of_it(store: Store, home: Path) -> None:
    long = ["How do I plant tomatoes?", "In spring.", "And water them?", "Every day."]
    bring(store, [said(*long[:2]), said(*long)])
    report = made(store, home).report
    assert (report["kept"], report["dropped"]) == (1, {decide.PART: 1})


def test_a_conversation_with_any_prompt_held_out_is_held_out_as_a_whole(
    store: Store, home: Path
) -> None:
    bring(store, [said("What is new?", "A lot of things.")], split="train")
    bring(store, [said("What is new?", "Not much.", "Really?", "Yes, really.")], split="heldout")
    assert made(store, home).report["splits"] == {"train": 0, "validation": 0, "test": 2}


def test_more_data_moves_no_row_between_the_splits(store: Store, home: Path) -> None:
    draw = random.Random(3)
    bring(store, [said(sentences(draw, 20), sentences(draw, 20)) for _ in range(200)])
    bring_documents(store, [[sentences(draw, 50)] for _ in range(60)])
    before = places(made(store, home))
    bring(store, [said(sentences(draw, 20), sentences(draw, 20)) for _ in range(300)])
    bring_documents(store, [[sentences(draw, 50)] for _ in range(40)])
    after = places(made(store, home))
    assert before.items() <= after.items()
    assert len(after) > len(before)


def places(data: datasets.Dataset) -> dict[tuple[str, int], str]:
    return {
        (one.kind, one.row): split
        for split in datasets.SPLITS
        for one in datasets.rows(data, split)
    }


@pytest.mark.slow
def test_balance_cuts_the_largest_source_in_training_alone(store: Store, home: Path) -> None:
    draw = random.Random(4)
    for source, count in (("small.jsonl", 40), ("middle.jsonl", 50), ("large.jsonl", 300)):
        rows = [said(sentences(draw, 20), sentences(draw, 20)) for _ in range(count)]
        bring(store, rows, source=source)
    free, even = (made(store, home, balance=by, balance_ratio=1.5) for by in ("none", "source"))
    lines = {one["name"]: one for one in even.report["tables"]["source"]}
    middle = sorted(one["train"] for one in free.report["tables"]["source"])[1]
    assert lines["large.jsonl"]["train"] == -(-3 * middle // 2)
    assert lines["small.jsonl"]["train"] < 40
    for split in ("validation", "test"):
        assert even.report["splits"][split] == free.report["splits"][split]
    assert {one["detail"] for one in actions(even) if one["reason"] == decide.SURPLUS} == {
        "large.jsonl"
    }


@pytest.mark.slow
@pytest.mark.parametrize("by", ["topic", "length"])
def test_balance_by_topic_or_length_keeps_the_counts_in_order(
    brought: Store, home: Path, by: str
) -> None:
    report = made(brought, home, balance=by, balance_ratio=1).report
    trained = [one["train"] for one in report["tables"][by]]
    assert sum(trained) == report["splits"]["train"]
    assert report["dropped"][decide.SURPLUS] > 0


def test_policies_drop_or_keep_what_is_masked_by_default(store: Store, home: Path) -> None:
    bring(
        store,
        [
            said("Whom shall I write to?", "To anna@example.com."),
            said("And the number of your office?", "It is (555) 123-4567 all day."),
            said("What is the token?", "It is <|user|> in that template."),
        ],
        split="train",
    )
    data = made(store, home, email="drop", phone="keep", template_tokens="drop")
    assert data.report["dropped"] == {"has personal data: email": 1, rows.HAS_TOKENS: 1}
    assert data.report["masked"] == {}


def test_a_dry_run_reports_the_same_and_leaves_nothing(brought: Store, home: Path) -> None:
    told = clean(brought, home, Clean(), dry_run=True)
    assert told.dataset is None
    assert not (home / "datasets").exists()
    assert list((home / "tmp").glob("clean-*")) == []
    with brought.read() as tx:
        assert stored.datasets(tx) == []
    assert made(brought, home).report == told.report


def test_no_action_tells_what_was_masked(brought: Store, home: Path) -> None:
    data = made(brought, home)
    values = {value for _, value in planted(1, 400, near=0.1).personal.values()}
    told = " ".join(f"{one['reason']} {one['detail']}" for one in actions(data))
    assert not [value for value in values if value in told]
    assert not [value for value in values if value in str(data.report)]


def test_without_rows_or_with_none_left_there_is_no_data_set(store: Store, home: Path) -> None:
    with pytest.raises(UsageError, match="rlhf ingest"):
        clean(store, home, Clean())
    bring(store, [said("Nobody answered")])
    with pytest.raises(UsageError, match="no row would be left: 1 has no answer to learn"):
        clean(store, home, Clean())
    with pytest.raises(UsageError, match="'xx' is not a language"):
        clean(store, home, Clean(languages=("xx",)))
    assert not (home / "datasets").exists()


def test_a_leak_stops_everything(
    brought: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = leaks.Leaks(10, 1, 2, ("train chat:1 is like test chat:2",))
    monkeypatch.setattr(leaks, "leaks_in", lambda *_: found)
    with pytest.raises(RLHFError, match="train chat:1 is like test chat:2"):
        clean(brought, home, Clean())
    assert not (home / "datasets").exists()


def test_one_cleaning_at_a_time(brought: Store, home: Path) -> None:
    with run._work_folder(home), pytest.raises(UsageError, match="another"):
        clean(brought, home, Clean())


@pytest.mark.slow
def test_a_killed_cleaning_leaves_nothing_that_counts(brought: Store, home: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=clean_and_die, args=(home,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list((home / "tmp").glob("clean-*"))) == 1
    with pytest.raises(UsageError, match="rlhf clean"):
        datasets.latest(brought, home)
    made(brought, home)
    assert list((home / "tmp").glob("clean-*")) == []
    assert len(list((home / "datasets").iterdir())) == 1


def clean_and_die(home: Path) -> None:
    """Clean, and be killed when everything but the last rename is done."""
    datasets.replace_folder = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[attr-defined]
    clean(open_store(home), home, Clean())


def test_the_bar_goes_up_to_the_end_and_never_back(brought: Store, home: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    clean(brought, home, Clean(), progress=lambda *step: steps.append(step))
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert steps[-1][0] == steps[-1][1]
    assert {text for _, _, text in steps} >= {"reading", "cleaning", "writing"}

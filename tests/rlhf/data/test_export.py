"""Ratings out: what becomes a row, what is counted, and that others (and we) can read it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.data.export import AGAIN, NO_MAJORITY, ROWS, export, kto, preferences, sft
from rlhf.data.ingest import ingest
from rlhf.data.intake import Wanted
from rlhf.data.verdicts import BOTH_BAD, TIE, no_order
from rlhf.durable import file_digest
from rlhf.errors import InputError, UsageError
from rlhf.store import Store, manifests, open_store, people, ratings
from rlhf.store.comparisons import PURPOSES
from tests.labelled import labelled
from tests.seeded import hired, leased, queued, rated

anything = st.builds(
    labelled,
    preferred=st.sampled_from(["lo", "hi", None]),
    strength=st.integers(1, 3),
    both_bad=st.booleans(),
    lo=st.sampled_from(["a", "b"]),
    hi=st.sampled_from(["a", "b"]),
    number=st.integers(1, 10**6),
    purpose=st.sampled_from(PURPOSES),
    edited=st.sampled_from([None, "mine"]),
)


@given(st.lists(anything, max_size=30))
def test_every_rating_is_a_row_or_counted(given_: list[manifests.LabelledComparison]) -> None:
    for kind, per_rating in (("preferences", 1), ("kto", 2), ("sft", 1)):
        rows, excluded = ROWS[kind](given_)  # type: ignore[index]
        more = 0 if kind == "sft" else sum(row["edited"] for row in rows)
        assert (len(rows) - more) / per_rating + excluded.total() == len(given_)


@given(st.lists(anything, max_size=30))
def test_preferences_are_those_that_train(given_: list[manifests.LabelledComparison]) -> None:
    rows, excluded = preferences(given_)
    assert excluded == Counter(r for r in map(no_order, given_) if r)
    for row in rows:
        assert row["chosen"] != row["rejected"]
        assert row["margin"] == pytest.approx(row["strength"] / 3)


def test_kto_likes_what_was_preferred_and_nothing_where_both_are_bad() -> None:
    told = [
        labelled("lo", lo="yes", hi="no"),
        labelled("hi", lo="bad", hi="worse", both_bad=True),
        labelled(None, lo="awful", hi="dreadful", both_bad=True),
        labelled(None, lo="one", hi="other"),
    ]
    rows, excluded = kto(told)
    liked = {row["completion"][0]["content"]: row["label"] for row in rows}
    assert liked == {"yes": True, **dict.fromkeys(("no", "bad", "worse"), False)} | dict.fromkeys(
        ("awful", "dreadful"), False
    )
    assert excluded == {TIE: 1}


def test_sft_learns_an_answer_once_and_only_if_most_chose_it() -> None:
    told = [
        labelled("lo", lo="yes", hi="no", number=1),
        labelled("lo", lo="yes", hi="perhaps", number=2),
        labelled("lo", lo="no", hi="never", number=3),
        labelled("lo", lo="poor", hi="poorer", number=4, both_bad=True),
    ]
    rows, excluded = sft(told)
    assert [row["messages"][-1] for row in rows] == [{"role": "assistant", "content": "yes"}]
    assert excluded == {AGAIN: 1, NO_MAJORITY: 1, BOTH_BAD: 1}


def test_an_edited_answer_is_a_demonstration_and_beats_what_it_mends() -> None:
    told = [
        labelled("lo", lo="yes", hi="no", edited="Yes, indeed."),
        labelled("hi", lo="bad", hi="poor", edited="Good.", both_bad=True, number=2),
    ]
    pairs, _ = preferences(told)
    assert [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in pairs] == [
        ("yes", "no"),
        ("Yes, indeed.", "yes"),
        ("poor", "bad"),
        ("Good.", "poor"),
    ]
    assert [row["edited"] for row in pairs] == [False, True, False, True]
    shown, excluded = sft(told)
    assert [row["messages"][-1]["content"] for row in shown] == ["Yes, indeed.", "Good."]
    assert excluded.total() == 0
    liked = [(row["completion"][0]["content"], row["label"]) for row in kto(told)[0]]
    assert ("Yes, indeed.", True) in liked
    assert ("Good.", True) in liked


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_what_is_exported_can_be_ingested_elsewhere(
    store: Store, tmp_path: Path, suffix: str
) -> None:
    (ann,) = hired(store, "ann")
    queued(store, 6, about='hostile "quotes",\nlines ${x} \u202e')
    for _ in range(6):
        rated(store, ann)
    file = tmp_path / f"pairs{suffix}"
    told = export(store, file, "preferences")
    assert (told.rows, told.ratings, told.excluded) == (6, 6, {})
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    copy = open_store(other)
    read = ingest(copy, [file], Wanted(heldout_share=0.0)).preferences
    assert read.added == 6
    with store.read() as tx, copy.read() as there:
        ours, theirs = manifests.labelled_now(tx), manifests.labelled_now(there)
    copy.close()
    said = [
        {(one.chosen_text, one.rejected_text, one.strength, one.conversation) for one in side}
        for side in (ours, theirs)
    ]
    assert {row[:3] for row in said[0]} == {row[:3] for row in said[1]}


def test_the_same_verdict_in_either_order_exports_the_same_choice(
    store: Store, tmp_path: Path
) -> None:
    names = [f"person {number}" for number in range(8)]
    queued(store, 1, wanted=len(names))
    orders = set()
    for person in hired(store, *names):
        lease = leased(store, person)
        first = min(lease.left, lease.right, key=lambda one: one.response_id)
        orders.add(lease.left == first)
        with store.write() as tx:
            ratings.record_rating(
                tx,
                lease_id=lease.lease_id,
                submission_id=lease.submission_id,
                annotator_id=person,
                verdict=ratings.Verdict(first.response_id, 1),
            )
    assert orders == {True, False}, "both orders were shown"
    export(store, tmp_path / "pairs.jsonl", "preferences")
    frame = pd.read_json(tmp_path / "pairs.jsonl", lines=True)
    assert {row[0]["content"] for row in frame["chosen"]} == {"The first answer to 0."}
    assert len(frame) == len(names)


def test_second_thoughts_are_exported_and_first_ones_counted(store: Store, tmp_path: Path) -> None:
    queued(store, 1)
    (ann,) = hired(store, "ann")
    saved = rated(store, ann).rating_id
    with store.write() as tx:
        for number, strength in enumerate((3, 1, 3)):
            before = ratings.rating(tx, saved)
            other = next(side for side in before.order_shown if side != before.preferred)
            saved = ratings.revise_rating(
                tx,
                rating_id=saved,
                annotator_id=ann,
                verdict=ratings.Verdict(other, strength),
                submission_id=f"revision {number}",
            ).rating_id
        last = ratings.rating(tx, saved)
        (labelled_last,) = manifests.labelled_now(tx)
    told = export(store, tmp_path / "pairs.jsonl", "preferences")
    (row,) = pd.read_json(tmp_path / "pairs.jsonl", lines=True).to_dict("records")
    assert (row["rating"], row["strength"]) == (last.id, 3)
    assert row["chosen"][0]["content"] == labelled_last.chosen_text
    assert told.left_out["superseded by a later revision"] == 3


def test_the_manifest_holds_the_files_hash_and_names_nobody(store: Store, tmp_path: Path) -> None:
    queued(store, 3)
    (ann,) = hired(store, "ann of green gables")
    for _ in range(3):
        rated(store, ann)
    told = [export(store, tmp_path / f"{name}.jsonl", "preferences") for name in ("one", "two")]
    for one in told:
        beside = json.loads((tmp_path / f"{one.file}.manifest.json").read_text())
        assert beside == asdict(one)
        assert beside["sha256"] == file_digest(tmp_path / one.file)
    assert told[0].sha256 == told[1].sha256
    assert told[0].ratings_sha256 == told[1].ratings_sha256
    assert not [file for file in tmp_path.iterdir() if b"gables" in _bytes(file)]
    with store.read() as tx:
        assert people.person(tx, ann).name == "ann of green gables"


def _bytes(file: Path) -> bytes:
    return file.read_bytes() if file.suffix in {".jsonl", ".json"} else b""


@pytest.fixture
def with_one(store: Store) -> Store:
    queued(store, 1)
    rated(store, hired(store, "ann")[0])
    return store


def test_refusals_leave_everything_as_it_was(with_one: Store, tmp_path: Path) -> None:
    taken = tmp_path / "mine.csv"
    taken.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        export(with_one, taken, "preferences")
    with pytest.raises(InputError, match=r"known are \.jsonl"):
        export(with_one, tmp_path / "pairs.xlsx", "preferences")
    assert taken.read_text() == "mine"
    assert [file.name for file in tmp_path.glob("*.*")] == ["mine.csv"]


def test_without_ratings_nothing_is_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of 0 ratings"):
        export(store, tmp_path / "pairs.jsonl", "sft")
    assert not list(tmp_path.glob("pairs*"))

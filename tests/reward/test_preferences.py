"""Which ratings become preferences, and who may see which prompt."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reward
from reward.preferences import EDITED, Preference, build, prompt_key, table
from reward.splits import Plan, jobs, plan, subsample
from rlhf.data.verdicts import BOTH_BAD, KNOWN, REASONS, REPEAT, SAME_TEXT, TIE
from rlhf.settings import Reward
from rlhf.store.comparisons import PURPOSES
from rlhf.store.manifests import LabelledComparison
from tests.labelled import labelled

ratings = st.builds(
    labelled,
    preferred=st.sampled_from(["lo", "hi", None]),
    strength=st.integers(1, 3),
    both_bad=st.booleans(),
    lo=st.sampled_from(["a", "b", ""]),
    hi=st.sampled_from(["a", "b", ""]),
    number=st.integers(1, 10**6),
    annotator_id=st.integers(1, 3),
    purpose=st.sampled_from(PURPOSES),
    edited=st.sampled_from([None, "c"]),
)


@given(st.lists(ratings, max_size=40))
def test_every_rating_is_a_preference_or_counted(
    said: list[LabelledComparison],
) -> None:
    built = build(said, margin_scale=1.0)
    assert (
        len(built.rows) - built.edited + sum(built.excluded.values()) == len(said) == built.ratings
    )
    assert set(built.excluded) <= set(REASONS)
    assert all(0 < row.weight <= 1 for row in built.rows)
    assert all(row.chosen != row.rejected for row in built.rows)


def test_the_chosen_response_is_the_preferred_one_with_its_end() -> None:
    first, second = build(
        [labelled("lo", rejected_finished=False), labelled("hi")], margin_scale=0.0
    ).rows
    assert (first.chosen, first.rejected) == ("Certainly.", "No.")
    assert (second.chosen, second.rejected) == ("No.", "Certainly.")
    assert (first.chosen_finished, first.rejected_finished) == (True, False)


def test_a_tie_teaches_nothing_and_a_better_bad_response_teaches_its_order() -> None:
    built = build(
        [labelled(None), labelled(None, both_bad=True), labelled("hi", both_bad=True)],
        margin_scale=0.0,
    )
    assert built.excluded == {TIE: 1, BOTH_BAD: 1}
    assert [row.chosen for row in built.rows] == ["No."]


def test_equal_responses_are_never_a_preference() -> None:
    assert build([labelled("lo", lo="x", hi="x")], margin_scale=0.0).excluded == {SAME_TEXT: 1}


def test_items_that_measure_the_annotator_teach_nothing_and_are_counted() -> None:
    said = [labelled(purpose="known", as_expected=True), labelled(purpose="repeat", repeat_of=1)]
    built = build(said, margin_scale=0.0)
    assert built.rows == ()
    assert built.excluded == {KNOWN: 1, REPEAT: 1}


def test_contradicting_ratings_are_both_kept_and_counted() -> None:
    said = [labelled("lo"), labelled("hi", annotator_id=4), labelled("lo", number=2)]
    built = build(said, margin_scale=0.0)
    assert (len(built.rows), built.contradicted) == (3, 1)


def test_an_edited_answer_is_better_than_what_it_mends_and_measures_nothing() -> None:
    said = labelled("hi", edited="No, sorry.", rejected_finished=False, chosen_finished=False)
    first, second = build([said], margin_scale=1.0).rows
    assert (first.chosen, first.rejected, first.purpose) == ("No.", "Certainly.", "train")
    assert (second.chosen, second.rejected) == ("No, sorry.", "No.")
    assert (second.chosen_finished, second.rejected_finished) == (True, False)
    assert second.purpose == EDITED
    assert second.margin == pytest.approx(2 / 3)
    assert (first.weight, second.weight) == (1.0, 1.0), "two pairs connect three answers"


def test_a_ranking_is_worth_what_it_takes_to_know_it() -> None:
    texts = ["best", "good", "poor", "worst"]
    ranking = [
        labelled("lo", lo=better, hi=worse, number=number)
        for number, (better, worse) in enumerate(combinations(texts, 2), start=1)
    ]
    built = build(ranking, margin_scale=0.0)
    assert len(built.rows) == 6
    assert built.effective == pytest.approx(3)
    apart = [labelled("lo", lo="a", hi="b"), labelled("lo", lo="c", hi="d", number=2)]
    assert build(apart, margin_scale=0.0).effective == 2
    two_people = [labelled("lo"), labelled("lo", annotator_id=4)]
    assert build(two_people, margin_scale=0.0).effective == 2


def test_an_annotators_weight_is_that_of_their_ratings() -> None:
    said = [labelled("lo"), labelled("hi", number=2, annotator_id=9)]
    built = build(said, margin_scale=0.0, weights={9: 0.25})
    assert [row.weight for row in built.rows] == [1, 0.25]


@pytest.mark.parametrize(("strength", "margin"), [(1, 0.5), (2, 1.0), (3, 1.5)])
def test_strength_sets_the_margin(strength: int, margin: float) -> None:
    (row,) = build([labelled(strength=strength)], margin_scale=1.5).rows
    assert row.margin == pytest.approx(margin)


def test_the_table_is_in_the_format_that_trl_reads() -> None:
    from datasets import Dataset
    from trl.data_utils import is_conversational

    frame = table(build([labelled("hi", strength=3)], margin_scale=1.0).rows)
    (example,) = Dataset.from_pandas(frame)
    assert is_conversational(example)
    assert example["prompt"] == [{"role": "user", "content": "Where is my parcel?"}]
    assert example["chosen"] == [{"role": "assistant", "content": "No."}]
    assert example["rejected"] == [{"role": "assistant", "content": "Certainly."}]
    assert example["margin"] == 1.0


def preference(question: str, rating_id: int = 0) -> Preference:
    return Preference(
        prompt=[{"role": "user", "content": question}],
        chosen="yes",
        rejected="no",
        margin=0.0,
        prompt_id=rating_id,
        rating_id=rating_id,
        annotator_id=1,
    )


def parts(divided: Plan) -> list[tuple[Preference, ...]]:
    return [divided.members, divided.holdout, divided.heldout]


@given(
    st.lists(st.text(max_size=6), max_size=60),
    st.floats(0.01, 0.49),
    st.floats(0.01, 0.79),
)
def test_no_prompt_is_in_two_parts_and_no_rating_is_lost(
    questions: list[str], heldout: float, holdout: float
) -> None:
    rows = [preference(question, index) for index, question in enumerate(questions)]
    divided = plan(rows, Reward(heldout_share=heldout, holdout_model_share=holdout))
    prompts = [{row.prompt_key for row in part} for part in parts(divided)]
    assert all(not one & other for one, other in combinations(prompts, 2))
    assert sorted(row.rating_id for part in parts(divided) for row in part) == list(
        range(len(questions))
    )


def test_all_prompts_of_a_conversation_fall_together() -> None:
    rows = [
        replace(preference(f"{talk}, turn {turn}", talk), conversation=f"talk {talk}")
        for talk in range(200)
        for turn in range(3)
    ]
    for part in parts(plan(rows, Reward())):
        counts = Counter(row.conversation for row in part)
        assert set(counts.values()) <= {3}


@pytest.mark.parametrize("mark", [{"purpose": "evaluation"}, {"split": "heldout"}])
def test_what_only_measures_holds_its_whole_conversation_out(mark: dict[str, Any]) -> None:
    teaches = [replace(preference(f"q{i}", i), conversation=f"talk {i}") for i in range(100)]
    measures = [replace(row, rating_id=1000 + row.rating_id, **mark) for row in teaches[:50]]
    divided = plan([*teaches, *measures], Reward())
    held = {row.rating_id for row in divided.heldout}
    assert held >= {row.rating_id for row in measures} | {row.rating_id for row in teaches[:50]}
    assert divided.members


def test_the_shares_hold_on_average() -> None:
    sizes = plan([preference(f"question {i}") for i in range(4000)], Reward()).sizes
    assert sizes["heldout"] / 4000 == pytest.approx(0.1, abs=0.02)
    assert sizes["holdout"] / 4000 == pytest.approx(0.9 * 0.25, abs=0.02)


def test_a_prompt_stays_in_its_part_when_more_is_rated() -> None:
    early = [preference(f"question {i}", i) for i in range(50)]
    late = early + [preference(f"later {i}", 100 + i) for i in range(500)]
    for before, after in zip(
        parts(plan(early, Reward())), parts(plan(late, Reward())), strict=True
    ):
        assert {row.rating_id for row in before} <= {row.rating_id for row in after}


def test_the_key_of_a_prompt_is_stable_between_processes_and_versions() -> None:
    # printf '[["user", "Hello"]]' | sha256sum
    expected = "1d9f4feaa9db000b474b2a10f79a8169e7c6c3215bbb1748f47f50f42d75c099"
    assert prompt_key([{"role": "user", "content": "Hello"}]) == expected


def test_every_job_has_its_own_sample_and_stops_by_conversations_it_does_not_train_on() -> None:
    divided = plan([preference(f"question {i}", i) for i in range(300)], Reward())
    planned = jobs(divided, members=3, seed=5)
    assert [job.name for job in planned] == ["reward-0", "reward-1", "reward-2", "holdout"]
    assert len({job.seed for job in planned}) == 4
    assert len({tuple(row.rating_id for row in job.rows) for job in planned[:3]}) == 3
    assert planned[3].rows == divided.holdout
    for job in planned:
        assert job.stopping
        unseen = {row.group for row in divided.unseen(job.name)}
        assert unseen
        assert not unseen & {row.group for row in (*job.rows, *job.stopping)}
        assert not {row.group for row in job.rows} & {row.group for row in job.stopping}
    assert planned == jobs(divided, members=3, seed=5)
    assert {job.seed for job in planned}.isdisjoint(job.seed for job in jobs(divided, 3, seed=6))


@given(st.integers(0, 2**31), st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_a_sample_keeps_conversations_whole_and_misses_a_fifth_of_them(
    seed: int, sizes: list[int]
) -> None:
    rows = [
        replace(preference(f"{talk}, {turn}", 100 * talk + turn), conversation=f"talk {talk}")
        for talk, size in enumerate(sizes)
        for turn in range(size)
    ]
    sample, missed = subsample(rows, seed)
    assert sorted(row.rating_id for row in (*sample, *missed)) == [row.rating_id for row in rows]
    seen = {row.group for row in sample}
    assert not seen & {row.group for row in missed}
    assert len(seen) == max(1, round(0.8 * len(sizes)))


def test_an_empty_part_trains_nothing() -> None:
    assert jobs(plan([], Reward()), members=3, seed=0) == ()


def test_nothing_in_this_room_knows_of_gold() -> None:
    for file in Path(reward.__file__).parent.glob("*.py"):
        source = file.read_text().lower()
        assert "gold" not in source, file
        assert "starter" not in source, file

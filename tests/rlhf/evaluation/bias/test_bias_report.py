"""Models that treat a group otherwise are found out by their words; models that do not are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rlhf.evaluation.bias.counterfactuals import Template, built_in, everyday_requests
from rlhf.evaluation.bias.measuring import (
    ANSWER_NAMES,
    PROMPT_NAMES,
    Answered,
    Asked,
    Judged,
    given_answers,
    questions,
    to_judge,
)
from rlhf.evaluation.bias.publishing import publish
from rlhf.evaluation.bias.report import Circumstances, RewardScores, Subject, judge
from rlhf.markdown import inline

SEEDS = 20
SAMPLES = 2
MEMBERS = ("reward-0", "reward-1")
TEMPLATES = built_in(everyday_requests(), 60)
ASKED = questions(TEMPLATES, SAMPLES)
DISLIKED = "Nigerian names"
KIND = ("Happy to help you with that.", "Thank you for asking.", "Good question.", "Please wait.",
        "It takes two days.", "Press the button at the end.", "The shop opens at nine.",
        "I hope that this is what you wanted.", "Have a lovely day!")  # fmt: skip
RUDE = "That is your own stupid fault."
HOW = Circumstances(
    samples=SAMPLES, seed=0, resamples=200, requests={"built-in": 24}, members=MEMBERS,
    reward={"digest": "d" * 64, "calibration_error": 0.05, "length_correlation": 0.1,
            "accuracy": {"value": 0.7, "low": 0.6, "high": 0.8, "count": 90}},
)  # fmt: skip


def model(seed: int, dislikes: str | None) -> list[Answered]:
    """Draws sentences by chance, afresh for every question; is short and rude to one group."""
    rng = Random(seed)
    answers = []
    for one in ASKED:
        disliked = one.group == dislikes
        said = rng.sample(KIND, rng.randint(1, 2) if disliked else rng.randint(1, 6))
        text = " ".join([RUDE] if disliked and rng.random() < 0.7 else said)
        scores = {name: rng.gauss(0, 1) for name in (*MEMBERS, "holdout")}
        answers.append(Answered(text, len(text) // 4, True, scores))
    return answers


def scorer(seed: int, offset: Callable[[Judged], float], judged: Sequence[Judged]) -> RewardScores:
    rng = Random(f"scores {seed}")
    roles = (*MEMBERS, "holdout")
    return RewardScores(
        judged, {name: [offset(one) + rng.gauss(0, 0.5) for one in judged] for name in roles}
    )


def report(
    seed: int,
    *,
    dislikes: str | None = None,
    offset: Callable[[Judged], float] = lambda _: 0.0,
    templates: Sequence[Template] = TEMPLATES,
    asked: Sequence[Asked] = ASKED,
) -> dict[str, Any]:
    answers = model(seed, dislikes)
    judged = to_judge(templates, given_answers(templates, asked, answers))
    scores = scorer(seed, offset, judged)
    return judge(templates, asked, [Subject("v1", "a" * 64, answers)], scores, HOW)


def told(found: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["subject"], one["measure"], one["group"]) for one in found["findings"]}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_model_that_is_short_and_rude_to_one_group_is_found_in_20_of_20_seeds() -> None:
    for seed in range(SEEDS):
        found = told(report(seed, dislikes=DISLIKED))
        assert {("v1", "length", DISLIKED), ("v1", "sentiment", DISLIKED)} <= found
        assert {group for _, _, group in found} == {DISLIKED}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_reward_models_that_mark_down_one_groups_names_are_found_in_20_of_20_seeds() -> None:
    def offset(one: Judged) -> float:
        return -0.6 if one.group == DISLIKED else 0.0

    for seed in range(SEEDS):
        assert told(report(seed, offset=offset)) == {
            (subject, way, DISLIKED)
            for subject in ("reward models", "hold-out reward model")
            for way in (PROMPT_NAMES, ANSWER_NAMES)
        }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_model_that_draws_by_chance_alone_gives_no_finding_in_20_of_20_seeds() -> None:
    assert [told(report(seed)) for seed in range(SEEDS)] == [set()] * SEEDS


def test_the_report_is_written_with_pictures_and_says_what_it_could_not_see(home: Path) -> None:
    (home / "tmp").mkdir()
    found = report(0, dislikes=DISLIKED)
    folder = publish(home, 7, found)
    assert folder == home / "evaluations" / "7"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["differences-1.png", "differences-2.png", "differences-3.png", "report.json",
                     "report.md"]  # fmt: skip
    text = (folder / "report.md").read_text()
    assert inline(found["findings"][0]["words"], longest=1000) in text
    ours, theirs = found["findings"][0]["example"]
    assert ours["prompt"] != theirs["prompt"]
    for part in ("Power, length", "Calibration", "Languages", "Safety and facts", "reward-1"):
        assert part in text
    assert list((home / "tmp").iterdir()) == []


def test_what_people_and_models_wrote_is_no_markup() -> None:
    hostile = "<script>|[x](javascript:1)`**\n# Title https://a.b www.c.d @all"
    shown = inline(hostile)
    assert "<" not in shown
    assert "\n" not in shown
    assert "\\|\\[x\\](javascript:1)\\`\\*\\*" in shown
    assert "https&#58;//a.b www&#46;c.d &#64;all" in shown

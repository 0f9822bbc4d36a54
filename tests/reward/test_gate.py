from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from reward.gate import RewardReport, decide
from reward.report import Agreement, AnnotatorReport, MemberReport, Previous, Share
from rlhf.settings import Gate

SOME = Share(0.71, 0.60, 0.80, 45)


def member(name: str) -> MemberReport:
    return MemberReport(
        name=name, seed=1, preferences=120, rows=178, steps=48, loss=0.4, accuracy=SOME, seconds=9.5
    )


@pytest.fixture
def report() -> RewardReport:
    return RewardReport(
        ratings=310,
        preferences=300,
        effective=300.0,
        excluded={"tie": 10},
        split={"members": 178, "holdout": 77, "heldout": 45},
        members=(member("reward-0"), member("reward-1"), member("reward-2")),
        holdout=member("holdout"),
        ensemble=SOME,
        agreement=0.8,
        temperature=1.3,
        annotators=(AnnotatorReport(4, 90, 0.1, 0.9, 1.0, accuracy=SOME),),
    )


def test_a_good_ensemble_passes_with_its_numbers_in_words(report: RewardReport) -> None:
    decision = decide(report, Gate(min_accuracy=0.55))
    assert decision.passed
    assert (
        "held-out accuracy 0.71 (0.60 to 0.80, 45 pairs) is above the floor 0.55"
        in decision.reasons
    )


def test_an_ensemble_below_the_floor_is_refused(report: RewardReport) -> None:
    weak = replace(report, ensemble=Share(0.52, 0.38, 0.66, 45))
    decision = decide(weak, Gate(min_accuracy=0.55))
    assert not decision.passed
    assert (
        "held-out accuracy 0.52 (0.38 to 0.66, 45 pairs) is below the floor 0.55"
        in decision.reasons
    )


def test_too_few_preferences_are_refused_however_good_the_ensemble(report: RewardReport) -> None:
    decision = decide(
        replace(report, preferences=12, effective=12.0, ratings=14), Gate(min_preferences=50)
    )
    assert not decision.passed
    assert (
        "12 usable preferences from 14 ratings are fewer than the 50 that are needed"
        in decision.reasons
    )


def test_an_accuracy_that_may_be_luck_says_so(report: RewardReport) -> None:
    lucky = replace(report, ensemble=Share(0.6, 0.45, 0.73, 45))
    assert any("not yet clearly better than a coin" in one for one in decide(lucky, Gate()).reasons)


def test_nothing_trained_nothing_held_out_or_no_hold_out_is_refused(report: RewardReport) -> None:
    nothing = Share(0.5, 0.0, 1.0, 0)
    assert not decide(replace(report, members=()), Gate()).passed
    assert not decide(replace(report, ensemble=nothing), Gate(min_accuracy=0.0)).passed
    assert not decide(replace(report, holdout=None), Gate()).passed
    unknown = Share(float("nan"), 0.0, 1.0, 3)
    assert not decide(replace(report, ensemble=unknown), Gate(min_accuracy=0.0)).passed


def test_unreliable_ratings_do_not_add_up_to_enough(report: RewardReport) -> None:
    decision = decide(replace(report, effective=31.4), Gate(min_preferences=50))
    assert not decision.passed
    assert (
        "300 usable preferences from 310 ratings, worth 31 independent and reliable ones, are "
        "fewer than the 50 that are needed" in decision.reasons
    )


def test_a_model_far_below_what_people_agree_on_is_refused(report: RewardReport) -> None:
    agreed = Agreement(0.7, 0.6, 0.8, 80, Share(0.9, 0.85, 0.94, 60))
    far = replace(report, people=agreed, ensemble=Share(0.58, 0.5, 0.66, 120))
    decision = decide(far, Gate(min_of_ceiling=0.3))
    assert not decision.passed
    assert any("20% of the way from a coin to the human ceiling" in one for one in decision.reasons)
    assert decide(far, Gate(min_of_ceiling=0.1)).passed
    few = replace(far, people=replace(agreed, ceiling=Share(0.9, 0.6, 1.0, 8)))
    assert decide(few, Gate(min_of_ceiling=0.3)).passed
    assert any(
        "the human ceiling is not known yet (8" in one for one in decide(few, Gate()).reasons
    )


@pytest.mark.parametrize(("low", "high", "passed"), [(-0.1, 0.02, True), (-0.2, -0.01, False)])
def test_only_a_clear_loss_against_the_previous_ensemble_refuses(
    report: RewardReport, low: float, high: float, passed: bool
) -> None:
    before = Previous("a" * 64, Share(0.8, 0.7, 0.9, 45), (low + high) / 2, low, high)
    assert decide(replace(report, previous=before), Gate()).passed is passed


def test_probabilities_that_are_far_off_and_a_score_that_is_a_ruler_are_refused(
    report: RewardReport,
) -> None:
    known = replace(report, ensemble=Share(0.71, 0.66, 0.76, 300))
    off = replace(known, calibration_error=0.3)
    assert not decide(off, Gate()).passed
    assert decide(replace(off, ensemble=SOME), Gate()).passed, "45 pairs cannot tell"
    assert decide(replace(known, calibration_error=0.04, length_correlation=-0.5), Gate()).passed
    assert not decide(replace(known, length_correlation=-0.95), Gate()).passed


def test_a_report_survives_json(report: RewardReport) -> None:
    text = json.dumps(report.to_json(), allow_nan=False)
    assert RewardReport.from_json(json.loads(text)) == report
    bare = RewardReport(ratings=2, preferences=0, excluded={"tie": 2}, split={})
    assert RewardReport.from_json(json.loads(json.dumps(bare.to_json()))) == bare


def test_a_report_of_another_shape_is_refused(report: RewardReport) -> None:
    with pytest.raises(ValueError, match="gold"):
        RewardReport.from_json(report.to_json() | {"gold": 1.0})


def test_the_gate_loads_no_learner() -> None:
    heavy = "{'torch', 'transformers', 'trl', 'pandas', 'numpy', 'ray'}"
    program = f"import sys, reward.gate; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"

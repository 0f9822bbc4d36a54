from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from reward.gate import RewardReport, decide
from reward.report import AnnotatorShare, MemberReport, Share
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
        excluded={"tie": 10},
        split={"members": 178, "holdout": 77, "heldout": 45},
        members=(member("reward-0"), member("reward-1"), member("reward-2")),
        holdout=member("holdout"),
        ensemble=SOME,
        agreement=0.8,
        temperature=1.3,
        annotators=(AnnotatorShare(4, SOME),),
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
    decision = decide(replace(report, preferences=12, ratings=14), Gate(min_preferences=50))
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


def test_a_report_survives_json(report: RewardReport) -> None:
    text = json.dumps(report.to_json(), allow_nan=False)
    assert RewardReport.from_json(json.loads(text)) == report
    bare = RewardReport(ratings=2, preferences=0, excluded={"tie": 2}, split={})
    assert RewardReport.from_json(json.loads(json.dumps(bare.to_json()))) == bare


def test_a_report_of_another_shape_is_refused(report: RewardReport) -> None:
    with pytest.raises(KeyError, match="gold"):
        RewardReport.from_json(report.to_json() | {"gold": 1.0})


def test_the_gate_loads_no_learner() -> None:
    heavy = "{'torch', 'transformers', 'trl', 'pandas', 'numpy', 'ray'}"
    program = f"import sys, reward.gate; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"

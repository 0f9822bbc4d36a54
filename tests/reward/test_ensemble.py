"""Members become an ensemble with comparable scores and a report that the gate can read."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from reward.circumstances import Circumstances, untrained
from reward.ensemble import assemble
from reward.gate import decide
from reward.preferences import Answer, Preference, PreferenceSet
from reward.report import AnnotatorReport, RewardReport
from reward.scoring import Encoder, score_ids
from reward.splits import jobs, plan
from reward.training import train_member
from rlhf.errors import ModelError, UsageError
from rlhf.models.base import load_base, load_tokenizer
from rlhf.models.roles import RoleModel
from rlhf.settings import Gate, LoRA, Reward, Sampling

SETTINGS = Reward(learning_rate=3e-3)
REFERENCE = [
    Answer([{"role": "user", "content": f"{index}?"}], text, finished=index % 3 != 0)
    for index, text in enumerate(["thanks", "bricks", "red thanks", "blue", "", "stone bricks"] * 4)
]
KNOWN = Circumstances(
    annotators=tuple(AnnotatorReport(one, 75, 0.0, 0.9, 1.0) for one in (0, 1)),
    round_id=1,
    best_of=(tuple(REFERENCE[:8]),),
)


def politeness(count: int) -> PreferenceSet:
    draw = random.Random(0)
    rows = [
        Preference(
            prompt=[{"role": "user", "content": f"question {index}"}],
            chosen=f"thanks {draw.choice(['red', 'blue', 'green'])}",
            rejected=f"bricks {draw.choice(['red', 'blue', 'green'])}",
            margin=0.0,
            prompt_id=index,
            rating_id=index,
            annotator_id=index % 2,
            round_id=1 if index < 100 else None,
            source="people",
        )
        for index in range(count)
    ]
    return PreferenceSet(tuple(rows), {"tie": 4})


@pytest.fixture(scope="module")
def ensemble(
    tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RewardReport]:
    folder = tmp_path_factory.mktemp("ensemble")
    preferences = politeness(150)
    divided = plan(preferences.rows, SETTINGS)
    trained = [
        train_member(
            tiny_llama,
            job,
            divided.unseen(job.name),
            folder / job.name,
            settings=SETTINGS,
            lora=LoRA(),
            sampling=Sampling(),
        )
        for job in jobs(divided, members=3, seed=0)
    ]
    report = assemble(
        tiny_llama, folder, trained, preferences, divided, REFERENCE, KNOWN, sampling=Sampling()
    )
    return folder, report


@pytest.mark.slow
def test_every_member_scores_the_reference_with_mean_0_and_spread_1(
    ensemble: tuple[Path, RewardReport], tiny_llama: Path
) -> None:
    folder, report = ensemble
    tokenizer = load_tokenizer(tiny_llama)
    roles = RoleModel(load_base(tiny_llama), tokenizer)
    encoder = Encoder(tokenizer, Sampling(), longest=1024)
    sequences = [encoder.answer(one.prompt, one.text, one.finished) for one in REFERENCE]
    for member in (*report.members, report.holdout):
        assert member is not None
        roles.load_role(member.name, folder / member.name)
        scores = score_ids(roles, member.name, sequences)
        assert scores.mean() == pytest.approx(0, abs=1e-4)
        assert scores.std() == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_the_report_passes_the_gate_and_says_what_was_seen(
    ensemble: tuple[Path, RewardReport],
) -> None:
    _, report = ensemble
    assert report.ensemble.value > 0.9
    assert report.holdout is not None
    assert report.holdout.accuracy.value > 0.9
    assert report.ensemble.count == report.split["heldout"] + report.split["holdout"]
    assert report.split["heldout"] < report.holdout.accuracy.count < report.ratings - 40
    assert (report.ratings, report.preferences, report.excluded) == (154, 150, {"tie": 4})
    assert report.agreement is not None
    assert report.agreement > 0.8
    assert report.holdout_agreement is not None
    assert report.temperature is not None
    assert report.calibration_error is not None
    assert sum(one.accuracy.count for one in report.annotators) == report.ensemble.count
    assert [one.annotator_id for one in report.annotators] == [0, 1]
    assert decide(report, Gate()).passed
    assert RewardReport.from_json(json.loads(json.dumps(report.to_json()))) == report


@pytest.mark.slow
def test_assembling_again_gives_the_same_and_touches_heads_alone(
    ensemble: tuple[Path, RewardReport], tiny_llama: Path
) -> None:
    folder, report = ensemble
    assert report.holdout is not None
    adapter = folder / "reward-0" / "adapter_model.safetensors"
    before = adapter.stat()
    preferences = politeness(150)
    again = assemble(
        tiny_llama,
        folder,
        (*report.members, report.holdout),
        preferences,
        plan(preferences.rows, SETTINGS),
        REFERENCE,
        KNOWN,
        sampling=Sampling(),
    )
    assert again == report
    assert (adapter.stat().st_ino, adapter.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "holdout",
        "reward-0",
        "reward-1",
        "reward-2",
    ]


@pytest.mark.slow
def test_a_role_without_its_head_is_refused(
    ensemble: tuple[Path, RewardReport], tiny_llama: Path, tmp_path: Path
) -> None:
    folder, report = ensemble
    shutil.copytree(folder, tmp_path / "headless")
    for part in ("head.safetensors", "head.json"):
        (tmp_path / "headless" / "reward-1" / part).unlink()
    preferences = politeness(150)
    with pytest.raises(ModelError, match="reward-1: the reward head is missing"):
        assemble(
            tiny_llama,
            tmp_path / "headless",
            report.members,
            preferences,
            plan(preferences.rows, SETTINGS),
            REFERENCE,
            KNOWN,
            sampling=Sampling(),
        )


@pytest.mark.slow
def test_one_reference_response_cannot_normalise(
    ensemble: tuple[Path, RewardReport], tiny_llama: Path
) -> None:
    folder, report = ensemble
    preferences = politeness(150)
    divided = plan(preferences.rows, SETTINGS)
    with pytest.raises(UsageError, match="two reference responses"):
        assemble(
            tiny_llama,
            folder,
            report.members,
            preferences,
            divided,
            REFERENCE[:1],
            KNOWN,
            sampling=Sampling(),
        )


def test_a_round_with_too_few_preferences_is_refused_not_failed() -> None:
    preferences = politeness(2)
    report = untrained(preferences, plan(preferences.rows, SETTINGS))
    decision = decide(report, Gate())
    assert not decision.passed
    assert any("2 usable preferences from 6 ratings" in reason for reason in decision.reasons)

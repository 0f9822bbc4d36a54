"""The report: every key is there, files are whole, and no model's text is markup."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from rlhf.errors import NotFound, UsageError
from rlhf.evaluation import kept
from rlhf.evaluation.standing import as_it_stands
from rlhf.evaluation.words import FIGURES
from rlhf.store import Store
from rlhf.store.evaluations import add_evaluation
from tests.evaluated import NEW, PROMPTS, kept_evaluation, told
from tests.seeded import hired, judged, leased

HOSTILE = "```\n<script>x()</script>\n# Not a heading\n| a | ![x](http://evil.example/x.png)"


def test_every_figure_is_there_and_plain_json() -> None:
    report = json.loads(json.dumps(told(), allow_nan=False))
    for one in report["checkpoints"]:
        assert set(one["figures"]) == set(FIGURES)
        assert one["figures"]["length"]["count"] == PROMPTS
        assert one["figures"]["perplexity"]["value"] == pytest.approx(7.389, abs=0.01)
    assert {(one["by"], one["count"]) for one in report["win_rates"]} == {
        ("reward", PROMPTS),
        ("holdout", PROMPTS),
    }
    assert [one["value"] > 0 for one in report["strengths"]["reward"]] == [False, True]


def test_without_reward_models_those_figures_are_left_out() -> None:
    report = told(scored=False)
    assert report["checkpoints"][0]["figures"]["reward"] is None
    assert (report["win_rates"], report["strengths"]) == ([], {})
    assert {one["by"] for one in report["differing"]} == {"text"}


def test_the_files_hold_report_and_pictures(tmp_path: Path) -> None:
    kept.write({"evaluation": 7, **told()}, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "report.json",
        "report.md",
        "strengths.png",
        "lengths.png",
        "rewards.png",
        "reward_length.png",
    }
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# Evaluation 7")
    assert "nrefs:1|case:mixed" in text
    assert "![strengths](strengths.png)" in text
    unscored = tmp_path / "unscored"
    unscored.mkdir()
    kept.write({"evaluation": 8, **told(scored=False)}, unscored)
    assert [file.name for file in unscored.glob("*.png")] == ["lengths.png"]


def test_hostile_texts_stay_inside_their_block(tmp_path: Path) -> None:
    kept.write({"evaluation": 1, **told(special=(HOSTILE, HOSTILE + "````````"))}, tmp_path)
    tokens = MarkdownIt("commonmark").parse((tmp_path / "report.md").read_text())
    inline = [child for one in tokens for child in one.children or ()]
    assert not [one for one in [*tokens, *inline] if one.type in ("html_block", "html_inline")]
    pictures = [one.attrs["src"] for one in inline if one.type == "image"]
    assert all("/" not in str(source) for source in pictures)
    headings = [after.content for one, after in pairwise(tokens) if one.type == "heading_open"]
    assert "Not a heading" not in headings
    assert HOSTILE + "\n" in [one.content for one in tokens if one.type == "fence"]


def test_peoples_verdicts_count_as_they_come(store: Store) -> None:
    number = kept_evaluation(store, told(), contests=4)
    (ann,) = hired(store, "ann")
    with store.read() as tx:
        before = as_it_stands(tx, number)["people"]
    assert (before["asked"], before["rated"], before["outstanding"]) == (4, 0, 4)
    assert (before["win_rates"], before["strengths"]) == ([], None)
    preferred = 0
    for _ in range(3):
        lease = leased(store, ann)
        preferred += lease.left.text.startswith("new")
        judged(store, lease, ann)
    with store.read() as tx:
        after = as_it_stands(tx, number)["people"]
    assert (after["rated"], after["outstanding"], after["verdicts"]) == (3, 1, 3)
    (rate,) = after["win_rates"]
    assert (rate["first"], rate["second"], rate["count"]) == (0, 1, 3)
    assert rate["rate"] == pytest.approx(1 - preferred / 3)
    assert len(after["strengths"]) == 2


def test_a_copy_replaces_an_earlier_report_and_nothing_else(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "answers.jsonl").write_text("{}\n")
    for number in (1, 2):
        kept.copy_to({"evaluation": number, **told()}, source, target)
        assert json.loads((target / "report.json").read_text())["evaluation"] == number
    assert (target / "answers.jsonl").is_file()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(UsageError, match="no earlier report"):
        kept.copy_to({"evaluation": 1, **told()}, source, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "irreplaceable"


def test_a_report_of_another_kind_is_not_shown_as_one(store: Store) -> None:
    with store.write() as tx:
        bias = add_evaluation(tx, kind="bias", checkpoints=[NEW], settings={}, report={})
    with store.read() as tx:
        with pytest.raises(UsageError, match="bias"):
            as_it_stands(tx, bias)
        with pytest.raises(NotFound):
            as_it_stands(tx, 99)

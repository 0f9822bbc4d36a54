"""BLEU and chrF as the sacrebleu command says, ROUGE-L as counted by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlhf.evaluation.references import against_references, rouge_l

ANSWERS = [
    "The parcel arrives on Monday, before noon.",
    "I am sorry, we cannot ship to the islands!",
    "Grüße aus Köln: 3,50 € für den Versand.",
    "",
]
KNOWN = [
    "Your parcel arrives on Monday before noon.",
    "I am sorry. We do not ship to islands.",
    "Viele Grüße aus Köln; der Versand kostet 3,50 €.",
    "Yes.",
]


def command(folder: Path) -> dict[str, dict[str, Any]]:
    """What `python -m sacrebleu` says of the same texts, by name."""
    (folder / "out.txt").write_text("\n".join(ANSWERS) + "\n", encoding="utf-8")
    (folder / "ref.txt").write_text("\n".join(KNOWN) + "\n", encoding="utf-8")
    words = ["ref.txt", "-i", "out.txt", "-m", "bleu", "chrf", "-w", "8", "-f", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {one["name"]: one for one in json.loads(done.stdout)}


def test_bleu_and_chrf_are_those_of_the_sacrebleu_command(tmp_path: Path) -> None:
    theirs = command(tmp_path)
    ours = against_references(ANSWERS, KNOWN, resamples=200, seed=0)
    assert ours is not None
    assert ours.bleu.value == pytest.approx(theirs["BLEU"]["score"], abs=1e-7)
    assert ours.chrf.value == pytest.approx(theirs["chrF2"]["score"], abs=1e-7)
    for name, figure in (("BLEU", "bleu"), ("chrF2", "chrf")):
        told = theirs[name]["signature"].split("|")
        assert told == ours.signatures[figure].split("|")


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence() -> None:
    """Three words in common order of five and of six: 2 * 3 / (5 + 6)."""
    assert rouge_l(["the cat sat down now"], ["a cat was sat right now"]) == [pytest.approx(6 / 11)]
    assert rouge_l(["Größe: ÄPFEL"], ["größe äpfel"]) == [1.0]
    assert rouge_l([""], ["yes"]) == [0.0]


def test_the_intervals_are_around_their_figures() -> None:
    told = against_references(ANSWERS * 10, KNOWN * 10, resamples=300, seed=0)
    assert told is not None
    for one in (told.bleu, told.chrf, told.rouge_l):
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.value < one.high
        assert one.count == 40


def test_without_references_there_is_nothing_to_say() -> None:
    assert against_references([], [], resamples=10, seed=0) is None

"""Agreement of answers with known ones: BLEU, chrF and ROUGE-L, each with an interval.

The figures are those of the `sacrebleu` command and of rouge-score, with the signatures that say
how they were computed. Texts in which words are not divided by spaces have no ROUGE-L worth
reading: it counts words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from rlhf.evaluation.intervals import Figure, between, mean, weights

ROUGE = "rougeL"
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class References:
    """The three figures: BLEU and chrF from 0 to 100, ROUGE-L (F1) from 0 to 1."""

    bleu: Figure
    chrf: Figure
    rouge_l: Figure
    signatures: dict[str, str]


class Words:
    """Words of any alphabet, in lower case: rouge-score's own tokenizer knows a to z alone."""

    def tokenize(self, text: str) -> list[str]:
        """As rouge-score does it with English."""
        return WORD.findall(text.lower())


def against_references(
    texts: Sequence[str], known: Sequence[str], *, resamples: int, seed: int
) -> References | None:
    """Compare answers with known ones to the same prompts; None for none."""
    if not texts:
        return None
    bleu, chrf = BLEU(), CHRF()
    rouge = mean(rouge_l(texts, known), resamples=resamples, seed=seed)
    assert rouge is not None
    return References(
        bleu=_corpus(bleu, texts, known, resamples, seed),
        chrf=_corpus(chrf, texts, known, resamples, seed),
        rouge_l=rouge,
        signatures={
            "bleu": str(bleu.get_signature()),
            "chrf": str(chrf.get_signature()),
            "rouge_l": f"{ROUGE}|F1|words of any alphabet|rouge-score {version('rouge-score')}",
        },
    )


def rouge_l(texts: Sequence[str], known: Sequence[str]) -> list[float]:
    """F1 of the longest common subsequence of words (Lin, 2004), of each answer."""
    scorer = RougeScorer([ROUGE], tokenizer=Words())
    return [
        float(scorer.score(reference, text)[ROUGE].fmeasure)
        for text, reference in zip(texts, known, strict=True)
    ]


def _corpus(
    metric: Any, texts: Sequence[str], known: Sequence[str], resamples: int, seed: int
) -> Figure:
    """The corpus figure, and its interval from the counts of resampled prompts (Koehn, 2004).

    sacrebleu's own bootstrap fails where a resample agrees in nothing at all (2.6).
    """
    value = metric.corpus_score(list(texts), [list(known)]).score
    counts = np.asarray(metric._extract_corpus_statistics(list(texts), [list(known)]))
    drawn = weights(len(texts), resamples, seed) @ counts
    scores = [float(metric._compute_score_from_stats(row).score) for row in drawn.tolist()]
    return Figure(float(value), *between(np.array(scores)), len(texts))

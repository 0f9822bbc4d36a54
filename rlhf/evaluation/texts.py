"""What can be said of answers by counting: length, variety, repetition, emptiness, overlap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

SENTENCE = re.compile(r"[^.!?]+[.!?]*")


@dataclass(frozen=True, slots=True)
class TextFigures:
    """Counted over a list of answers."""

    distinct_1: float
    """Different words, as a share of all (Li et al., 2016)."""
    distinct_2: float
    """Different pairs of neighbouring words, as a share of all."""
    repeated_sentences: float
    """Share of answers that say a sentence twice."""
    empty: float
    """Share of answers without any text."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Agreement with reference answers, and the signature that makes the figures comparable."""

    bleu: float
    chrf: float
    signature: str


def text_figures(texts: Sequence[str]) -> TextFigures:
    """Count. Raises ValueError for no texts."""
    if not texts:
        raise ValueError("no answers to count")
    words = [word for text in texts for word in text.lower().split()]
    pairs = [pair for text in texts for pair in pairwise(text.lower().split())]
    return TextFigures(
        distinct_1=len(set(words)) / len(words) if words else 0.0,
        distinct_2=len(set(pairs)) / len(pairs) if pairs else 0.0,
        repeated_sentences=sum(map(repeats_a_sentence, texts)) / len(texts),
        empty=sum(not text.strip() for text in texts) / len(texts),
    )


def repeats_a_sentence(text: str) -> bool:
    """Whether a sentence occurs twice, however it is spaced or capitalised."""
    said = [" ".join(part.lower().split()) for part in SENTENCE.findall(text)]
    said = [part.strip(" .!?") for part in said]
    said = [part for part in said if part]
    return len(said) != len(set(said))


def overlap(texts: Sequence[str], references: Sequence[str]) -> Overlap:
    """Corpus BLEU and chrF (Papineni et al., 2002; Popovic, 2015) by sacrebleu."""
    bleu, chrf = BLEU(), CHRF()
    return Overlap(
        bleu=bleu.corpus_score(list(texts), [list(references)]).score,
        chrf=chrf.corpus_score(list(texts), [list(references)]).score,
        signature=str(bleu.get_signature()),
    )

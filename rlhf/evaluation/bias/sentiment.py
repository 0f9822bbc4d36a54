"""How friendly an answer sounds: VADER's compound figure (Hutto and Gilbert, 2014)."""

from __future__ import annotations

from functools import cache

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer


def sentiment(text: str) -> float:
    """From -1 (hostile) to 1 (warm); English words alone are known, all others count as 0."""
    return float(_analyzer().polarity_scores(text)["compound"])


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()

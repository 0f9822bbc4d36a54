"""The gate before promotion: the candidate must win, without having gone too far to do so.

Pure and light: the controller asks it. Gold is not among its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rlhf.evaluation.winrate import WinRate
from rlhf.rounds import Decision
from rlhf.settings import Gate


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """One policy on the held-out prompts."""

    proxy: float
    """Mean conservative score of the ensemble that PPO maximised."""
    holdout: float
    """Mean score of the reward model that PPO never saw."""
    kl: float
    """Nats per sequence from the reference, by k1."""
    length: float
    """Mean response tokens, the end included."""
    finished: float
    distinct_2: float
    repeated_sentences: float
    empty: float
    perplexity: float | None
    """exp of the mean negative log-likelihood per token of reference answers, where there are."""
    bleu: float | None
    chrf: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Candidate against champion on the same held-out prompts."""

    candidate: PolicyFigures
    champion: PolicyFigures
    win_rate: float
    """Mean chance, by the hold-out reward model, that people prefer the candidate's answer."""
    win_rate_low: float
    win_rate_high: float
    prompts: int
    bleu_signature: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the database."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Self:
        """The inverse of to_json."""
        policies = {name: PolicyFigures(**tree[name]) for name in ("candidate", "champion")}
        return cls(**{**tree, **policies})

    @classmethod
    def of(
        cls,
        candidate: PolicyFigures,
        champion: PolicyFigures,
        won: WinRate,
        signature: str | None,
    ) -> Self:
        """Put what was measured together."""
        return cls(candidate, champion, won.rate, won.low, won.high, won.count, signature)


def decide(seen: Evaluation, limits: Gate) -> Decision:
    """Promote a candidate that wins and that passes every limit; say why in words."""
    return _decision([_wins(seen, limits), *_within(seen, limits)])


def hear(seen: Evaluation, people: WinRate, limits: Gate) -> Decision:
    """The same, by what people said of candidate and champion instead of the hold-out."""
    return _decision([_preferred(people, limits), *_within(seen, limits)])


def _decision(checks: Sequence[tuple[bool, str]]) -> Decision:
    return Decision(
        passed=all(passed for passed, _ in checks), reasons=tuple(said for _, said in checks)
    )


def _within(seen: Evaluation, limits: Gate) -> list[tuple[bool, str]]:
    return [
        _near(seen, limits),
        _as_long(seen, limits),
        _no_worse("repeated sentences", "repeated_sentences", seen, limits),
        _no_worse("empty answers", "empty", seen, limits),
    ]


def _preferred(people: WinRate, limits: Gate) -> tuple[bool, str]:
    return _above(
        people.low,
        f"people preferred the candidate in {people.rate:.0%} of {people.count} comparisons with "
        f"the champion ({people.low:.0%} to {people.high:.0%})",
        limits,
    )


def _wins(seen: Evaluation, limits: Gate) -> tuple[bool, str]:
    return _above(
        seen.win_rate_low,
        f"by the hold-out reward model, the candidate wins {seen.win_rate:.0%} of "
        f"{seen.prompts} prompts ({seen.win_rate_low:.0%} to {seen.win_rate_high:.0%})",
        limits,
    )


def _above(low: float, said: str, limits: Gate) -> tuple[bool, str]:
    passed = low > limits.min_win_rate
    verb = "is above" if passed else "is not above"
    return passed, f"{said}; the lower end {verb} {limits.min_win_rate:.0%}"


def _near(seen: Evaluation, limits: Gate) -> tuple[bool, str]:
    passed = seen.candidate.kl <= limits.max_kl
    verb = "is within" if passed else "is over"
    return passed, (
        f"KL {seen.candidate.kl:.1f} nats per sequence from the reference {verb} {limits.max_kl:g}"
    )


def _as_long(seen: Evaluation, limits: Gate) -> tuple[bool, str]:
    before, after = seen.champion.length, seen.candidate.length
    drift = abs(after / before - 1) if before else 0.0
    passed = drift <= limits.max_length_drift
    verb = "within" if passed else "beyond"
    return passed, (
        f"answers have {after:.1f} tokens, the champion's {before:.1f}: a drift of {drift:.0%}, "
        f"{verb} {limits.max_length_drift:.0%}"
    )


def _no_worse(words: str, name: str, seen: Evaluation, limits: Gate) -> tuple[bool, str]:
    before, after = getattr(seen.champion, name), getattr(seen.candidate, name)
    passed = after <= before + limits.max_repetition
    verb = "no more than" if passed else "more than"
    return passed, (
        f"{words}: {after:.1%} against {before:.1%}, {verb} {limits.max_repetition:.0%} above"
    )

"""The report of `rlhf evaluate`: plain values for JSON, from what was measured of every answer.

Its keys stay the same; what could not be measured is null, and `notes` says why in words:

- `checkpoints`: per checkpoint `name`, `version`, `digest`, `base` and `figures`: name -> {`value`,
  `low`, `high` (95 % bootstrap over prompts; null where there is no interval), `count`} or null.
  Names: see words.FIGURES.
- `prompts`, `references`: how many; `source`: where from; `signatures`: of BLEU, chrF, ROUGE-L.
- `reward_model`: `checkpoint`, `members`; null without one.
- `win_rates`: per pair and scorer `first`, `second` (places in `checkpoints`), `by`, `rate` (of the
  first; ties half), `low`, `high`, `count`, `ties`.
- `strengths`: scorer -> per checkpoint `value`, `low`, `high` (Bradley-Terry, nats).
- `differing`: the prompts on which a pair differs most: `first`, `second`, `by`, `amount`,
  `messages`, `reference`, `answers` (two texts), `rewards` (two).
- `answers`: per checkpoint the lists `tokens`, `reward`, `holdout`, one value per prompt.
- `regression`: see `regression.told`; `people`: see `people.by_people`, and `contests`, the ids of
  the comparisons that were queued; each null where it was not asked for.
- `notes`: sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from rlhf.evaluation import intervals
from rlhf.evaluation.differing import differing
from rlhf.evaluation.intervals import Figure
from rlhf.evaluation.measured import Asked, Measured
from rlhf.evaluation.perplexity import perplexity
from rlhf.evaluation.references import against_references
from rlhf.evaluation.refusal import refuses
from rlhf.evaluation.strength import strengths, wins_by_score
from rlhf.evaluation.texts import repeats_a_sentence, text_figures
from rlhf.evaluation.winrate import win_rate

SCORERS = ("reward", "holdout")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A checkpoint under evaluation."""

    name: str
    """As people call it: "v3", "v3 (champion)"."""
    version: int
    digest: str
    base: str
    """Path or hub id of its base model."""


def report(
    contestants: Sequence[Contestant],
    asked: Sequence[Asked],
    answers: Sequence[Sequence[Measured]],
    *,
    source: str,
    reward_model: dict[str, Any] | None,
    resamples: int,
    seed: int,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Put together what is known; `answers` has one list per contestant, one answer per prompt."""
    how = {"resamples": resamples, "seed": seed}
    measured = [_figures(asked, one, resamples, seed) for one in answers]
    pairs = list(combinations(range(len(contestants)), 2))
    scores = {by: told for by in SCORERS if (told := _scores(answers, by)) is not None}
    return {
        "checkpoints": [
            {**asdict(one), "figures": figures}
            for one, (figures, _) in zip(contestants, measured, strict=True)
        ],
        "prompts": len(asked),
        "references": sum(one.reference is not None for one in asked),
        "source": source,
        "signatures": measured[0][1],
        "reward_model": reward_model,
        "win_rates": [
            {
                "first": a,
                "second": b,
                "by": by,
                **asdict(win_rate(told[:, a].tolist(), told[:, b].tolist(), **how)),
            }
            for by, told in scores.items()
            for a, b in pairs
        ],
        "strengths": {
            by: [asdict(one) for one in strengths(wins_by_score(told), **how)]
            for by, told in scores.items()
            if pairs
        },
        "differing": [row for a, b in pairs for row in _differing(asked, answers, a, b)],
        "answers": [
            {
                "tokens": [one.tokens for one in mine],
                "reward": _column(mine, "reward"),
                "holdout": _column(mine, "holdout"),
            }
            for mine in answers
        ],
        "regression": None,
        "people": None,
        "notes": list(notes),
    }


def _figures(
    asked: Sequence[Asked], mine: Sequence[Measured], resamples: int, seed: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """(figures, signatures) of one checkpoint."""

    def mean(values: Sequence[float]) -> Figure | None:
        return intervals.mean(values, resamples=resamples, seed=seed)

    counted = text_figures([one.text for one in mine])
    known = [
        (one.text, prompt.reference)
        for one, prompt in zip(mine, asked, strict=True)
        if prompt.reference is not None
    ]
    overlap = against_references(
        [text for text, _ in known],
        [reference for _, reference in known],
        resamples=resamples,
        seed=seed,
    )
    nll, tokens = [one.reference_nll for one in mine], [one.reference_tokens for one in mine]
    figures = {
        "reward": mean(_column(mine, "reward") or []),
        "holdout": mean(_column(mine, "holdout") or []),
        "perplexity": perplexity(nll, tokens, resamples=resamples, seed=seed),
        "bleu": overlap and overlap.bleu,
        "chrf": overlap and overlap.chrf,
        "rouge_l": overlap and overlap.rouge_l,
        "kl": mean([one.kl for one in mine]),
        "length": mean([float(one.tokens) for one in mine]),
        "distinct_1": Figure(counted.distinct_1, None, None, len(mine)),
        "distinct_2": Figure(counted.distinct_2, None, None, len(mine)),
        "repeated_sentences": mean([float(repeats_a_sentence(one.text)) for one in mine]),
        "empty": mean([float(not one.text.strip()) for one in mine]),
        "unfinished": mean([float(not one.finished) for one in mine]),
        "refusals": mean([float(refuses(one.text)) for one in mine]),
    }
    told = {name: asdict(one) if one else None for name, one in figures.items()}
    return told, overlap.signatures if overlap else {}


def _column(mine: Sequence[Measured], name: str) -> list[float] | None:
    """A score per answer; None unless every answer has one."""
    values = [getattr(one, name) for one in mine]
    return None if None in values else values


def _scores(answers: Sequence[Sequence[Measured]], by: str) -> intervals.Numbers | None:
    """[prompts, checkpoints]."""
    columns = [_column(mine, by) for mine in answers]
    return None if None in columns else np.array(columns, dtype=np.float64).T


def _differing(
    asked: Sequence[Asked], answers: Sequence[Sequence[Measured]], a: int, b: int
) -> list[dict[str, Any]]:
    return [
        {
            "first": a,
            "second": b,
            "by": one.by,
            "amount": one.amount,
            "messages": asked[one.prompt].messages,
            "reference": asked[one.prompt].reference,
            "answers": [answers[side][one.prompt].text for side in (a, b)],
            "rewards": [answers[side][one.prompt].reward for side in (a, b)],
        }
        for one in differing(answers[a], answers[b])
    ]

"""People have the last word on a refused candidate: they compared it with the champion.

The hold-out that refused it is one model of a quarter of the votes. The round after a refusal asks
people about the very two; where they clearly prefer the candidate, it becomes the champion after
all, and the round goes on from it.
"""

from __future__ import annotations

from typing import Any

from rlhf import champion
from rlhf.evaluation import gate
from rlhf.evaluation.people import preferred
from rlhf.rounds import State
from rlhf.settings import Settings
from rlhf.store import Connection, checkpoints, contests, events, rounds


def hear(tx: Connection, current: rounds.Round, settings: Settings) -> dict[str, Any] | None:
    """Decide by the verdicts that `current` collected, and move champion and round if it passes.

    None where no candidate was refused before, nobody said anything about it, or somebody moved the
    champion by hand in the meantime.
    """
    before = current.start_checkpoint
    asked = rounds.step(tx, current.id, State.COMPARISONS)
    refused = (asked.output or {}).get("challenger") if asked else None
    if refused is None or checkpoints.alias(tx, "champion") != before:
        return None
    told = [one for one in contests.between(tx, current.id, refused, before) if one.preferred]
    made_in = checkpoints.checkpoint(tx, refused).round_id
    if not told or made_in is None:
        return None
    resamples = settings.evaluation.bootstrap
    said = preferred(told, refused, resamples=resamples, seed=current.seed)
    seen = gate.Evaluation.from_json(rounds.round_(tx, made_in).evaluation)
    verdict = gate.hear(seen, said, settings.gate)
    heard = {"candidate": refused, "passed": verdict.passed, "reasons": list(verdict.reasons)}
    so = "it is the champion after all" if verdict.passed else "it stays refused"
    rounds.add_reason(tx, made_in, f"heard in round {current.id}: {verdict.reasons[0]}; {so}")
    if verdict.passed:
        champion.promote(tx, refused, actor=f"round {current.id}", why=verdict.reasons[0])
        rounds.follow_champion(tx, before, refused, (State.MANIFEST,))
        events.note(tx, "controller", "refusal_overturned", f"round {made_in}", heard)
    return heard

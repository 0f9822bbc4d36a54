"""One round's votes on a policy's own newest answers: the same annotators for every method."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from reward import preferences
from reward.preferences import Preference
from rlhf.starter.annotators import crew
from rlhf.starter.world import prompts
from tests.benchmarks._starter_pairs import Raters, answered

CREW = 8
SPARE = 2
"""Prompts that are answered for every vote: a narrow policy often says the same twice."""


def collect(adapter: Path | None, votes: int, seed: int, number: int) -> list[Preference]:
    """What `votes` verdicts on pairs of different answers say in round `number`."""
    wanted = SPARE * votes
    asked = prompts("train", number * wanted, seed)[-wanted:]
    raters = Raters(seed, crew(CREW, seed))
    drawn = answered(asked, 2, 100 * seed + number, adapter)
    for one in islice((one for one in drawn if any(one.pairs())), votes):
        raters.rate(one, (0, 1))
    return list(preferences.build(raters.rows, margin_scale=0.0).rows)


def keep(rows: Sequence[Preference], file: Path) -> None:
    """Write preferences, one line each."""
    file.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))


def kept(file: Path) -> list[Preference]:
    """Read them again."""
    return [Preference(**json.loads(line)) for line in file.read_text().splitlines()]

"""How much of the study is run: all that every method is given and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """The whole study, or a short one."""

    folder: str
    methods: Sequence[str]
    seeds: Sequence[int]
    peer_seeds: Sequence[int]
    rounds: int
    votes: int
    """Per round."""
    answers: int
    """Held-out prompts on which a policy is judged, one answer each; half have held-out intents."""
    settings: str
    """Lines of ours' `rlhf.toml` that the form needs."""

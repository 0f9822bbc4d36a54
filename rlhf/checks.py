"""One finding of `rlhf doctor` or `rlhf preflight`, and how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    """It runs, but slower or less safely."""
    BAD = "bad"
    """It does not run, or not safely."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `advice` is empty when the verdict is OK."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def judge(name: str, found: str, *, ok: bool, otherwise: Verdict, advice: str) -> Check:
    """OK, or what else it is with advice."""
    return Check(name, Verdict.OK, found) if ok else Check(name, otherwise, found, advice)

"""What drivers and the actors that compute for them say to each other: plain rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from reward.selection import Numbers
from rlhf.evaluation.measured import Measured
from rlhf.settings import Sampling, Settings


@dataclass(frozen=True, slots=True)
class Question:
    """One answer wanted: `sample` numbers the answers to the same prompt."""

    prompt_id: int
    sample: int
    messages: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer drawn: its token ids [T], its text, and whether it came to an end."""

    prompt_id: int
    sample: int
    ids: tuple[int, ...]
    text: str
    finished: bool


@dataclass(frozen=True, slots=True)
class Mind:
    """What an answering actor loads: the base and role folders by role name.

    A role that is not in `ways` answers as `sampling` says.
    """

    base: str
    roles: dict[str, str]
    sampling: Sampling
    ways: dict[str, Sampling] = field(default_factory=dict)

    def way(self, role: str | None) -> Sampling:
        """How a role's answers are drawn."""
        return self.ways.get(role or "", self.sampling)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two answers to one prompt that read differently."""

    first: Answer
    second: Answer
    differences: Numbers
    """[K]: score of the first less that of the second, by every member of the last ensemble."""
    states: Numbers
    """[D]: the base's state of the first less that of the second."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Two responses that people were asked about."""

    messages: list[dict[str, str]]
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Examined:
    """One answer and what was measured of it."""

    answer: Answer
    proxy: float
    holdout: float
    kl: float
    """Nats, summed over the response."""
    reference_nll: float
    """Nats, summed over the tokens of the prompt's reference answer; 0 without one."""
    reference_tokens: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A measured answer with its token ids [T]."""

    measured: Measured
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a policy worker loads: the base, the starting policy, the reward roles' folders."""

    base: str
    policy: str
    members: dict[str, str]
    holdout: str
    settings: Settings
    seed: int
    threads: int
    own_gpu: bool

"""How people reach the service, are asked, and what is said of its models to others."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from rlhf.settings.branch import Branch


class Web(Branch):
    """Where the pages are served."""

    host: str = "127.0.0.1"
    """Loopback only, unless allowed_hosts and a TLS proxy are configured."""
    port: int = Field(7860, ge=0, le=65535)
    """TCP port; 0 asks the system for a free one."""
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Host headers that are answered (a defence against DNS rebinding)."""
    behind_tls_proxy: bool = False
    """A proxy in front terminates TLS: cookies become Secure and other hosts may be bound."""


class Feedback(Branch):
    """How people are asked."""

    comparisons_per_round: PositiveInt = 300
    """New comparisons queued when a round opens."""
    ratings_per_round: PositiveInt = 300
    """New ratings after which the round trains by itself."""
    overlap: float = Field(1.1, ge=1, le=10)
    """Ratings wanted per comparison, on average: with 1.1 every tenth goes to two people, which
    shows how far they agree; where two prefer different answers, a third is asked."""
    active_share: float = Field(0.5, ge=0, le=1)
    """Share of the comparisons that teach which are chosen for what their verdicts would teach the
    last reward models; the others, all that only measure, and all of a first round are drawn
    uniformly."""
    repeat_share: float = Field(0.03, ge=0, le=0.5)
    """Share of what an annotator is given that they rated before, the sides swapped: it teaches no
    reward model, and shows how far they agree with themselves."""
    practice: int = Field(3, ge=0, le=50)
    """Comparisons with a known answer that a new annotator practises on, each explained after the
    verdict."""
    known_share: float = Field(0.05, ge=0, le=0.5)
    """Share of what an annotator is given whose answer is known (`rlhf ingest --known`): it teaches
    no reward model, and nothing on the page tells it from the rest."""
    attributes: tuple[str, ...] = ("helpful", "honest", "harmless")
    """What annotators may compare two answers in beside the verdict; empty asks for nothing."""
    lease_minutes: PositiveFloat = 15.0
    """How long one annotator holds a comparison before others may get it."""


class Card(Branch):
    """What people say of their models in the model card; the program fills in the rest."""

    name: str = "A chat model tuned on human feedback"
    """The card's title."""
    owner: str = ""
    """Who answers for the model."""
    contact: str = ""
    """Where to report what it does wrong."""
    license: str = ""
    """Identifier of a licence, as model hubs know it; empty states none."""
    intended_use: str = ""
    """What the model is for; empty says that nobody has stated it."""
    out_of_scope: str = ""
    """What it must not be used for, beside what every card says."""

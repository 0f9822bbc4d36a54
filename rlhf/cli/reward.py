"""Commands about reward models: what they are worth, and the last word on their gate."""

from __future__ import annotations

from typing import Annotated

import typer

from rlhf.cli.arguments import LARGEST_ID, in_utf8
from rlhf.cli.options import HomeOption, JsonOption, examples, opened

commands = typer.Typer(
    no_args_is_help=True, help="See what reward models are worth; overrule their gate."
)
RoundArgument = Annotated[
    int | None,
    typer.Argument(
        metavar="[ROUND]", min=1, max=LARGEST_ID, help="Its number; the newest if left out."
    ),
]


@commands.command(epilog=examples("rlhf reward report", "rlhf reward report 3 --json"))
def report(
    round_id: RoundArgument = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Show accuracy, agreement, calibration and annotators of a round's reward models."""
    from rlhf.cli.terminal import show_json
    from rlhf.cli.views import show_reward_report
    from rlhf.report import reward_report
    from rlhf.store import people

    with opened(home) as (_, store), store.read() as tx:
        number, told = reward_report(tx, round_id)
        names = {one.id: one.name for one in people.people(tx)}
    show_json(told) if as_json else show_reward_report(number, told, names)


@commands.command(epilog=examples('rlhf reward overrule 3 --why "checked 50 pairs by hand"'))
def overrule(
    round_id: Annotated[
        int,
        typer.Argument(metavar="ROUND", min=1, max=LARGEST_ID, help="The round that was refused."),
    ],
    why: Annotated[str, typer.Option(callback=in_utf8, help="The reason, kept with the round.")],
    home: HomeOption = None,
) -> None:
    """Let a refused round go on with PPO; the policy gate still decides about the result."""
    from rlhf.cli.terminal import show
    from rlhf.override import overrule_reward_gate

    with opened(home) as (_, store), store.write() as tx:
        overrule_reward_gate(tx, round_id, by="command line", why=why)
    show(f"round {round_id} goes on with PPO; a running service takes it up, else `rlhf round`")

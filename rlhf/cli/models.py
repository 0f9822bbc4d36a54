"""Commands for published models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rlhf.cli.options import MODELS, HomeOption, JsonOption, examples, opened

commands = typer.Typer()
starter = typer.Typer(no_args_is_help=True, help="The tiny model that comes with the program.")


@commands.command(
    rich_help_panel=MODELS, epilog=examples("rlhf checkpoints", "rlhf checkpoints --json")
)
def checkpoints(
    home: HomeOption = None,
    kind: Annotated[
        Literal["policy", "reward"], typer.Option(help="Chat models or reward models.")
    ] = "policy",
    as_json: JsonOption = False,
) -> None:
    """List published versions, newest first, with the aliases that point at them."""
    from rlhf.cli.views import show_checkpoints
    from rlhf.store import checkpoints as published

    with opened(home) as (_, store), store.read() as tx:
        show_checkpoints(published.checkpoints(tx, kind), published.aliases(tx), as_json=as_json)


@commands.command(rich_help_panel=MODELS, epilog=examples('rlhf rollback --why "rude in French"'))
def rollback(
    why: Annotated[str, typer.Option(help="The reason, kept in the history.")],
    home: HomeOption = None,
) -> None:
    """Make the previous champion the champion again."""
    from rlhf.champion import roll_back
    from rlhf.cli.terminal import show

    with opened(home) as (_, store), store.write() as tx:
        digest = roll_back(tx, actor="command line", why=why)
    show(f"champion is {digest[:12]} again")


@starter.command("build", epilog=examples("rlhf starter build --out my-starter --seed 1"))
def build_starter(
    out: Annotated[Path, typer.Option(help="Folder for the model.")] = Path("starter-model"),
    seed: Annotated[int, typer.Option(help="Seed of corpus and training.")] = 0,
) -> None:
    """Build the starter model again, from nothing but a seed."""
    from rlhf.cli.terminal import progress_bar, show_json
    from rlhf.starter.build import build

    with progress_bar("starter") as progress:
        figures = build(out, seed=seed, progress=progress)
    show_json({"model": str(out), **figures})

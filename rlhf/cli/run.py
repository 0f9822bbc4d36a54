"""Commands that run the loop, or tell where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlhf.cli.options import RUN, HomeOption, JsonOption, examples

commands = typer.Typer()


@commands.command(
    rich_help_panel=RUN,
    epilog=examples("rlhf up", "rlhf up --base ~/models/my-chat-model --home ~/my-chat"),
)
def up(
    home: HomeOption = None,
    base: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of the model to improve. Fixed at the first start."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port; 0 takes any free one.")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the sign-in link in a browser.")
    ] = False,
) -> None:
    """Start the service: the pages and the loop, on this machine.

    Prints a one-time sign-in link and runs until Ctrl-C. Killed at any moment, the same command
    goes on where it was.
    """
    from ray_jobs import supervisor
    from rlhf.settings import home_folder, load_settings

    folder = home_folder(home)
    settings = load_settings(folder)
    if port is not None:
        web = settings.web.model_copy(update={"port": port})
        settings = settings.model_copy(update={"web": web})
    raise typer.Exit(supervisor.up(folder, base, settings, open_browser=open_browser))


@commands.command(
    rich_help_panel=RUN,
    epilog=examples("rlhf demo", "rlhf demo --rounds 2 --seed 1 --home demo-1 --json demo-1.json"),
)
def demo(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to run.")] = 2,
    comparisons: Annotated[int, typer.Option(min=1, help="Comparisons rated per round.")] = 300,
    annotators: Annotated[int, typer.Option(min=1, help="Simulated people.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    home: Annotated[
        Path, typer.Option(envvar="RLHF_HOME", help="A folder of the demo's own.")
    ] = Path("~/.rlhf-demo"),
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")
    ] = None,
) -> None:
    """Run the whole loop without people: simulated annotators rate the starter's answers."""
    from ray_jobs.demo import run_demo
    from rlhf.settings import home_folder

    code = run_demo(
        home=home_folder(home),
        rounds=rounds,
        comparisons=comparisons,
        annotators=annotators,
        seed=seed,
        json_file=json_file,
    )
    raise typer.Exit(code)


@commands.command(rich_help_panel=RUN, epilog=examples("rlhf status", "rlhf status --json"))
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Where things are: the service, the round, the ratings, the champion."""
    from ray_jobs.status import describe
    from rlhf.cli.terminal import show_json
    from rlhf.cli.views import show_status
    from rlhf.settings import home_folder

    told = describe(home_folder(home))
    show_json(told) if as_json else show_status(told)


@commands.command("round", rich_help_panel=RUN, epilog=examples("rlhf round"))
def round_(home: HomeOption = None) -> None:
    """Run a round now, with the ratings there are, and follow it to its end."""
    from ray_jobs.operate import run_round
    from rlhf.settings import home_folder

    raise typer.Exit(run_round(home_folder(home)))

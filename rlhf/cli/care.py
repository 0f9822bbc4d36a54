"""Commands that look after a service and its machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlhf.cli.options import CARE, HomeOption, JsonOption, examples, opened

commands = typer.Typer()


@commands.command(
    rich_help_panel=CARE, epilog=examples("rlhf backup ratings-2027-01-31.db --home ~/my-chat")
)
def backup(
    file: Annotated[Path, typer.Argument(help="A new file.")],
    home: HomeOption = None,
) -> None:
    """Copy the database into one checked file, while the service runs."""
    from rlhf.cli.terminal import show
    from rlhf.store import upkeep

    with opened(home) as (_, store):
        size = upkeep.backup(store, file)
    show(f"{file}: {size:,} bytes, checked")


@commands.command(rich_help_panel=CARE, epilog=examples("rlhf doctor", "rlhf doctor --json"))
def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check this machine and the service's folder; exit code 1 when something is wrong."""
    from ray_jobs.tether import isolation
    from rlhf.cli.views import show_checks
    from rlhf.doctor import examine
    from rlhf.settings import home_folder

    found = examine(home_folder(home), isolated=bool(isolation(network=True)))
    raise typer.Exit(show_checks(found, as_json=as_json))


@commands.command(rich_help_panel=CARE, epilog=examples("rlhf preflight ~/models/my-chat-model"))
def preflight(
    model: Annotated[str, typer.Argument(help="Folder or hub id of a causal language model.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check whether a model can be the base of a service here, before `rlhf up --base`."""
    from rlhf.cli.views import show_checks
    from rlhf.preflight import examine
    from rlhf.settings import home_folder, load_settings

    here = home_folder(home)
    found = examine(model, load_settings(here), here)
    raise typer.Exit(show_checks(found, as_json=as_json))

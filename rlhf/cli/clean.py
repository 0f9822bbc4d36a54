"""Commands for what is made of people's data: clean it, list what came of it, see why."""

from __future__ import annotations

from typing import Annotated

import typer

from rlhf.cli.arguments import LARGEST_ID
from rlhf.cli.options import FEED, HomeOption, JsonOption, examples, opened
from rlhf.errors import UsageError

commands = typer.Typer()


def _numbered(row: str | None) -> str | None:
    """A row's name. Raises UsageError for a number that no row can have."""
    if row is not None and len(row.partition(":")[2]) >= len(str(LARGEST_ID)):
        raise UsageError(f"'{row}' names no row: its number is too long")
    return row


@commands.command(
    rich_help_panel=FEED,
    epilog=examples("rlhf clean --dry-run", "rlhf clean", "rlhf clean --show chat:17"),
)
def clean(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would come of it.")
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            metavar="ROW",
            callback=_numbered,
            help="What the latest data set made of a row, and why.",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a data set to learn from: repaired, without copies and personal data, in three splits.

    Takes all conversations with an answer and all documents that were brought; the raw rows stay
    as they are. What is done is set under [clean] in rlhf.toml. The same rows and settings give
    the same data set. Names of people are not looked for.
    """
    from rlhf.cli.cleaned import show_cleaned, show_row
    from rlhf.cli.terminal import progress_bar
    from rlhf.data.cleaning.run import clean as make
    from rlhf.data.cleaning.story import story
    from rlhf.settings import load_settings

    with opened(home) as (folder, store):
        if show is not None:
            show_row(story(store, folder, show), as_json=as_json)
            return
        settings = load_settings(folder)
        with progress_bar("clean") as progress:
            made = make(
                store,
                folder,
                settings.clean,
                seed=settings.seed,
                dry_run=dry_run,
                progress=progress,
            )
    show_cleaned(made, as_json=as_json)


@commands.command(rich_help_panel=FEED, epilog=examples("rlhf datasets", "rlhf datasets --json"))
def datasets(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the cleaned data sets, the latest first."""
    from rlhf.cli.cleaned import show_datasets
    from rlhf.store import datasets as stored

    with opened(home) as (folder, store), store.read() as tx:
        show_datasets(stored.datasets(tx), folder, as_json=as_json)

"""What commands have in common: their options, their examples, the service they open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rlhf.store import Store

RUN, FEED, MODELS, CARE = "Run", "Data and people", "Models", "Care"
"""The headings of `rlhf --help`."""

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The service's folder. Else RLHF_HOME, else ~/.rlhf."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ModelReference = Annotated[
    str,
    typer.Argument(metavar="REF", help="An alias (champion), a version (v3) or a digest's start."),
]


def examples(*commands: str) -> str:
    """The closing lines of a command's help."""
    return "\n\n".join(["Examples:", *(f"  {command}" for command in commands)])


@contextmanager
def opened(home: Path | None) -> Iterator[tuple[Path, Store]]:
    """The folder of a service that was started before, and its database."""
    from rlhf.home import existing_home
    from rlhf.settings import home_folder, load_settings
    from rlhf.store import open_store

    folder = existing_home(home_folder(home))
    store = open_store(folder, load_settings(folder).database)
    try:
        yield folder, store
    finally:
        store.close()


@contextmanager
def opened_or_made(home: Path | None) -> Iterator[Store]:
    """The database of a home, made if it is not there.

    It stays when the command fails: another command may have stored something there meanwhile.
    """
    from rlhf.home import make_home
    from rlhf.settings import home_folder

    with opened(make_home(home_folder(home))) as (_, store):
        yield store

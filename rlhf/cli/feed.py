"""Commands for what people bring: their data, and themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rlhf.cli.arguments import in_utf8
from rlhf.cli.options import FEED, HomeOption, JsonOption, examples, opened, opened_or_made
from rlhf.errors import RLHFError, UsageError

commands = typer.Typer()
users = typer.Typer(no_args_is_help=True, help="Invite people and see who they are.")


@commands.command(
    rich_help_panel=FEED,
    epilog=examples("rlhf ask answers.jsonl", "rlhf ask chats.jsonl --overlap 2 --priority 1"),
)
def ask(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="JSONL, JSON, CSV, TSV or Parquet.")
    ],
    overlap: Annotated[
        int, typer.Option(min=1, max=100, help="How many people each row is put to.")
    ] = 1,
    priority: Annotated[
        float, typer.Option(help="Higher comes first; what the loop asks has its round's number.")
    ] = 0.0,
    home: HomeOption = None,
) -> None:
    """Put your own answers before the annotators: all of the files, or on a mistake none.

    A row is a prompt, as for `rlhf ingest`, and its `responses`: one is called good or bad, two are
    compared, three to nine are ranked by a sequence of comparisons. A conversation that ends with
    an answer asks about that answer. The same row twice asks once.
    """
    from rlhf.cli.terminal import show
    from rlhf.data.asked import ask as put

    with opened_or_made(home) as store:
        told = put(store, files, overlap=overlap, priority=priority)
    rows = told.singles + told.pairs + told.rankings
    show(
        f"{told.added} of {rows} rows queued, {rows - told.added} were asked before "
        f"({told.singles} single answers, {told.pairs} pairs, {told.rankings} rankings)"
    )


@commands.command(
    rich_help_panel=FEED,
    epilog=examples("rlhf export pairs.jsonl", "rlhf export answers.parquet --for sft"),
)
def export(
    file: Annotated[Path, typer.Argument(help="JSONL, CSV or Parquet, by its extension.")],
    kind: Annotated[
        Literal["preferences", "kto", "sft"],
        typer.Option("--for", help="TRL's preference, KTO or SFT rows."),
    ] = "preferences",
    home: HomeOption = None,
) -> None:
    """Write all ratings for others to train on, with a manifest that counts what was left out.

    Conversations are message lists (in CSV as JSON); annotators are numbers. The manifest stands
    beside the file and holds its SHA-256. What `rlhf export` writes, `rlhf ingest` reads.
    """
    from rlhf.cli.terminal import show
    from rlhf.data.export import export as write
    from rlhf.durable import check_place

    check_place(file)
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file.parent} is no folder; make it first")
    with opened(home) as (_, store):
        told = write(store, file, kind)
    show(f"{told.rows} rows from {told.ratings} ratings in {file}")
    for reason, count in {**told.excluded, **told.left_out}.items():
        if count:
            show(f"{count} left out: {reason}")


@users.command(
    "invite",
    epilog=examples(
        "rlhf users invite maria --role annotator", "rlhf users invite shop-team --role reader"
    ),
)
def invite(
    name: Annotated[str, typer.Argument(callback=in_utf8, help="A name no one else has here.")],
    role: Annotated[
        Literal["annotator", "operator", "reader"],
        typer.Option(help="annotator rates; operator also runs rounds; reader pulls models."),
    ] = "annotator",
    hours: Annotated[float, typer.Option(min=0.1, help="How long the link is valid.")] = 72.0,
    home: HomeOption = None,
) -> None:
    """Print a one-time sign-in link for a person."""
    from rlhf.cli.terminal import show
    from rlhf.store import people

    with opened(home) as (folder, store):
        address = _address(folder)
        with store.write() as tx:
            token = people.invite(tx, name, role, hours=hours)
        show(f"{address}/join/{token}")


@users.command("list", epilog=examples("rlhf users list"))
def list_users(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Who is invited, with which role."""
    from rlhf.cli.views import show_people
    from rlhf.store import people

    with opened(home) as (_, store), store.read() as tx:
        show_people(people.people(tx), as_json=as_json)


@users.command("token", epilog=examples("rlhf users token shop-team > token"))
def token(
    name: Annotated[
        str, typer.Argument(callback=in_utf8, help="A person or team, invited before.")
    ],
    days: Annotated[int, typer.Option(min=1, help="How long the token is valid.")] = 90,
    home: HomeOption = None,
) -> None:
    """Print a read-only token, once, with which another machine can pull models."""
    from rlhf.store import people

    with opened(home) as (_, store), store.write() as tx:
        typer.echo(people.issue_token(tx, name, scope="read", days=days))


@users.command("deactivate", epilog=examples("rlhf users deactivate maria"))
def deactivate(
    name: Annotated[str, typer.Argument(callback=in_utf8, help="The person; their ratings stay.")],
    home: HomeOption = None,
) -> None:
    """End a person's access at once."""
    from rlhf.cli.terminal import show
    from rlhf.store import people

    with opened(home) as (_, store), store.write() as tx:
        people.deactivate(tx, name)
    show(f"{name} can no longer sign in, nor use links or tokens")


def _address(folder: Path) -> str:
    """Where the service answers: what it wrote down at its last start, else its settings."""
    from rlhf.settings import load_settings

    written = folder / "run" / "url"
    if written.exists():
        try:
            return written.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as unreadable:
            raise RLHFError(
                f"{written} cannot be read ({unreadable}). Remove it; the service writes it anew "
                "when it starts"
            ) from unreadable
    web = load_settings(folder).web
    return f"http://{web.host}:{web.port}"

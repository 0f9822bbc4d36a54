"""Commands for published models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from rlhf.cli.arguments import in_utf8
from rlhf.cli.options import MODELS, HomeOption, JsonOption, ModelReference, examples, opened
from rlhf.errors import UsageError

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


@commands.command(
    rich_help_panel=MODELS,
    epilog=examples(
        "rlhf pull champion my-model",
        "rlhf pull v3 my-model --merged",
        "rlhf pull champion my-model --from http://ml-server:7860 --token-file token",
    ),
)
def pull(
    ref: ModelReference,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an old pull.")],
    merged: Annotated[
        bool, typer.Option("--merged", help="A full model instead of an adapter.")
    ] = False,
    url: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="The service of another machine.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="Holds the token for --from; else RLHF_TOKEN does.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a version into a folder that plain PEFT (or, merged, transformers) loads."""
    from rlhf.cli.terminal import progress_bar, show
    from rlhf.registry import pulling, remote

    if url is None:
        with opened(home) as (here, store):
            digest = pulling.pull(store, here, ref, folder, merged=merged)
    else:
        token = _token(token_file)
        with progress_bar("pull") as progress:
            digest = remote.pull(url, ref, folder, token=token, merged=merged, progress=progress)
    show(f"{folder}: checkpoint {digest[:12]}" + (", merged with its base" if merged else ""))


@commands.command(
    rich_help_panel=MODELS,
    epilog=examples("rlhf card champion", "rlhf card v3 --out my-model/README.md"),
)
def card(
    ref: ModelReference,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it here instead of printing it.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a version's model card: data, use, limits, and what was measured up to now."""
    from rlhf.cli.terminal import printable, show
    from rlhf.registry.full_card import full_card
    from rlhf.settings import load_settings

    with opened(home) as (here, store), store.read() as tx:
        text = full_card(tx, ref, load_settings(here).card)
    if out is None:
        typer.echo(printable(text), nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as unwritable:
        raise UsageError(f"{out} cannot be written ({unwritable.strerror})") from unwritable
    show(f"{out}: model card of {ref}")


@commands.command(
    rich_help_panel=MODELS, epilog=examples("rlhf serve champion", "rlhf serve v3 --port 8001")
)
def serve(
    ref: ModelReference,
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port, on loopback.")] = 8000,
    home: HomeOption = None,
) -> None:
    """Answer on an OpenAI-compatible API with a version, until Ctrl-C."""
    from rlhf.serving import serve as become_server

    with opened(home) as (here, store):
        become_server(store, here, ref, port=port)


@commands.command(rich_help_panel=MODELS, epilog=examples('rlhf rollback --why "rude in French"'))
def rollback(
    why: Annotated[str, typer.Option(callback=in_utf8, help="The reason, kept in the history.")],
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


def _token(file: Path | None) -> str:
    """The token for another machine's service, which never stands on a command line."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as missing:
            raise UsageError(f"{file}: the token cannot be read ({missing.strerror})") from missing
        except UnicodeDecodeError as binary:
            raise UsageError(f"{file}: the token cannot be read (it is no text)") from binary
    if not os.environ.get("RLHF_TOKEN"):
        raise UsageError("--from needs a token: give --token-file FILE, or set RLHF_TOKEN")
    return os.environ["RLHF_TOKEN"]

"""The front door: `rlhf COMMAND`. Thin commands; the work is in the rooms.

The one package of `rlhf` that reaches into the other rooms, and only inside its commands, so that
`rlhf --help` costs nothing. Nothing imports it.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from typing import Annotated

import typer

from rlhf import __version__
from rlhf.cli import bias, bring, care, clean, evaluate, feed, models, reward, run, sft
from rlhf.cli.options import FEED, MODELS, HomeOption, examples
from rlhf.errors import RLHFError

QUIET = {
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""No telemetry, and no library's chatter between our own lines."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk or a quota that is used up."""

app = typer.Typer(
    name="rlhf",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("rlhf up", "rlhf users invite maria --role annotator", "rlhf status"),
)
app.add_typer(run.commands)
app.add_typer(bring.commands)
app.add_typer(feed.commands)
app.add_typer(clean.commands)
app.add_typer(feed.users, name="users", rich_help_panel=FEED)
app.add_typer(sft.commands)
app.add_typer(models.commands)
app.add_typer(evaluate.commands)
app.add_typer(reward.commands, name="reward", rich_help_panel=MODELS)
app.add_typer(bias.commands)
app.add_typer(models.starter, name="starter", rich_help_panel=MODELS)
app.add_typer(care.commands)


def main() -> None:
    """Run a command; an error for people is one line on stderr, and its exit code."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore", FutureWarning)
    try:
        app(prog_name="rlhf")
    except RLHFError as error:
        _say(error)
        sys.exit(error.exit_code)
    except OSError as refused:
        _say(_of_the_system(refused))
        sys.exit(RLHFError.exit_code)


def _of_the_system(refused: OSError) -> str:
    """What a disk or a file would not do, in a line."""
    if refused.strerror is None:
        return " ".join(str(refused).split())
    where = "" if refused.filename is None else f"{refused.filename}: "
    advice = "; make room on the disk, then try again" if refused.errno in FULL else ""
    return f"{where}{refused.strerror}{advice}"


def _say(error: object) -> None:
    from rlhf.cli.terminal import printable

    print(printable(f"error: {error}"), file=sys.stderr)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def front(
    home: HomeOption = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """People rate answers, reward models learn, PPO improves the chat model, the best one leads."""
    if home is not None:
        os.environ["RLHF_HOME"] = str(home)

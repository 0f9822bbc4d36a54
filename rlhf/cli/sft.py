"""Commands that fine-tune on own data, before anybody has rated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

import typer

from rlhf.cli.options import MODELS, HomeOption, JsonOption, ModelReference, examples, opened
from rlhf.errors import UsageError

commands = typer.Typer()


@commands.command(
    rich_help_panel=MODELS,
    epilog=examples(
        "rlhf sft",
        "rlhf sft --dataset 4f2a --json",
        "rlhf sft --sweep",
        "rlhf sft --sweep --trials 20 --seed 1",
        "rlhf sft --base ~/models/mine",
    ),
)
def sft(
    dataset: Annotated[
        str | None,
        typer.Option(metavar="REF", help="The start of a data set's digest; else the latest."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Folder or hub id, in a home that never ran; else the starter model."),
    ] = None,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep",
            help="Search for learning rate, rank, epochs and batch size; keep the best.",
        ),
    ] = False,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings of a sweep; else sft.sweep_trials in rlhf.toml."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same seed gives the same result; else the home's."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune on the cleaned data: answers and passages teach a new checkpoint.

    Stopped or killed, it goes on from its last saved state when it is called again. The same data,
    settings and seed are not trained twice.
    """
    from rlhf.cli.terminal import progress_bar, show_json

    if trials and not sweep:
        raise UsageError("--trials counts the trainings of a sweep; add --sweep, or leave it out")
    if sweep:
        from ray_jobs.sft_sweep import sweep as search

        train: Callable[..., dict[str, Any]] = partial(search, trials=trials)
    else:
        from ray_jobs.sft_job import fine_tune as train
    with opened(home) as (here, _), progress_bar("sft") as progress:
        told = train(here, data=dataset, base=base, seed=seed, progress=progress)
    if as_json:
        show_json(told)
    else:
        if sweep:
            _show_trials(told)
        _show(told)


@commands.command(rich_help_panel=MODELS, epilog=examples("rlhf adopt v1"))
def adopt(ref: ModelReference, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make a checkpoint the base of the feedback loop, before its first round.

    It is merged into the base it was trained on. Rounds then start from it, and KL counts from it.
    """
    from dataclasses import asdict

    from rlhf.adopting import adopt as make_base
    from rlhf.cli.terminal import show, show_json
    from rlhf.settings import load_settings

    with opened(home) as (here, store):
        made = make_base(store, here, ref, load_settings(here))
    if as_json:
        show_json({**asdict(made.base), "champion": made.champion.digest})
        return
    show(
        f"v{made.checkpoint.version} is the base now ({made.base.path}); "
        f"the champion is v{made.champion.version}, which answers exactly as it does"
    )


def _show(told: Mapping[str, Any]) -> None:
    """What came out, in a line or two."""
    from rlhf.cli.terminal import show

    version, digest = told["version"], told["digest"][:12]
    if told["rows_left_out"]:
        show(f"{told['rows_left_out']} rows without an answer that fits were left out")
    if not told["trained"]:
        show(
            f"v{version} ({digest}) was made from this data set with these settings already; "
            "nothing was trained. " + _figures(told)
        )
        return
    if told["best_step"] == 0:
        show(
            "no step made the validation loss lower, so the untouched adapter was kept; "
            "lower sft.learning_rate in rlhf.toml"
        )
    show(f"v{version} ({digest}): {_figures(told)}, {told['seconds']:.0f} s")


def _figures(told: Mapping[str, Any]) -> str:
    if told["validation_loss"] is None:
        return f"{told['rows']} rows; no validation rows to measure on"
    return (
        f"validation loss {told['validation_loss']:.3f}, perplexity "
        f"{told['perplexity_before']:.2f} -> {told['perplexity']:.2f} on "
        f"{told['validation_rows']} rows"
    )


def _show_trials(told: Mapping[str, Any]) -> None:
    from rlhf.cli.terminal import show, show_table

    show_table(
        ("learning rate", "rank", "epochs", "batch", "validation loss", "perplexity", "steps", ""),
        [
            (
                f"{one['learning_rate']:g}",
                one["r"],
                one["epochs"],
                one["batch_size"],
                f"{one['validation_loss']:.4f}",
                f"{one['perplexity']:.3f}",
                f"{one['steps']} of {one['steps_planned']}",
                "best" if one["best"] else "" if one["finished"] else "cut",
            )
            for one in told["trials"]
        ],
        empty="no trials",
    )
    show(f"table and plot: {told['folder']}")

"""The command that measures checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from rlhf.cli.arguments import LARGEST_ID
from rlhf.cli.options import MODELS, HomeOption, JsonOption, examples, opened

commands = typer.Typer()


@commands.command(
    rich_help_panel=MODELS,
    epilog=examples(
        "rlhf evaluate champion candidate",
        "rlhf evaluate v0 v1 v2 --prompts 50 --out report",
        "rlhf evaluate champion candidate --people 60",
        "rlhf evaluate --show 3",
        "rlhf evaluate candidate --regression must-hold.jsonl",
    ),
)
def evaluate(
    refs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REF]...", help="Aliases, versions (v3) or digests."),
    ] = None,
    prompts: Annotated[
        int | None, typer.Option(min=1, help="How many prompts; else evaluation.prompts.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="REF", help="Use the test split of this data set (its digest)."),
    ] = None,
    people: Annotated[
        int, typer.Option(min=0, help="Queue this many blind comparisons to annotators.")
    ] = 0,
    regression: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Prompts that must not get worse (JSONL and others)."),
    ] = None,
    allow_worse: Annotated[
        int, typer.Option(min=0, help="Prompts of --regression that may get worse all the same.")
    ] = 0,
    show: Annotated[
        int | None,
        typer.Option(
            metavar="ID",
            min=1,
            max=LARGEST_ID,
            help="Show a kept evaluation, with people's newest verdicts.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy the report and its plots here.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure checkpoints on the same held-out prompts, and against each other.

    Perplexity, BLEU, chrF and ROUGE-L against known answers; reward and hold-out reward; length,
    variety, repetition, refusals; who wins, by reward and by people; where answers differ most.
    The report is kept: on the Evaluation page, and as Markdown and JSON in the home.

    With --regression, the first checkpoint (the champion, if only one is named) is the baseline,
    and the exit code is 1 when more prompts got worse than --allow-worse says.
    """
    from rlhf.cli.terminal import show as say
    from rlhf.cli.terminal import show_json
    from rlhf.errors import UsageError
    from rlhf.evaluation import kept, standing

    if bool(refs) == (show is not None):
        raise UsageError("name the checkpoints to evaluate, or a kept evaluation with --show ID")
    if out is not None:
        kept.check_target(out)
    with opened(home) as (here, store):
        number = show
        if number is None:
            from ray_jobs.evaluation_plan import Request
            from ray_jobs.evaluator import evaluate as measure
            from rlhf.cli.terminal import progress_bar

            request = Request(
                refs=tuple(refs or ()),
                prompts=prompts,
                dataset=dataset,
                people=people,
                regression=None if regression is None else str(regression.absolute()),
                allow_worse=allow_worse,
            )
            with progress_bar("evaluate") as progress:
                number = measure(here, store, request, progress)
        with store.read() as tx:
            told = standing.as_it_stands(tx, number)
        folder = standing.folder_of(here, number)
        if out is not None:
            kept.copy_to(told, folder, out)
    if as_json:
        show_json({**told, "folder": str(folder)})
    else:
        _show(told)
        say(f"report: {(out or folder) / kept.MARKDOWN}")
    if show is None and told["regression"] and not told["regression"]["passed"]:
        raise typer.Exit(1)


def _show(told: Mapping[str, Any]) -> None:
    """The figures side by side, who wins, and what got worse."""
    from rlhf.cli.terminal import show, show_table
    from rlhf.evaluation.words import FIGURES, figure_in_words, rate_in_words, rates_told

    names = [one["name"] for one in told["checkpoints"]]
    show(f"evaluation {told['evaluation']}: {told['prompts']} prompts ({told['source']})")
    for note in told["notes"]:
        show(note)
    figures = [one["figures"] for one in told["checkpoints"]]
    show_table(
        ("", *names),
        [
            (words, *(figure_in_words(name, one[name]) for one in figures))
            for name, words in FIGURES.items()
            if any(one[name] for one in figures)
        ],
        empty="nothing was measured",
    )
    for by, one in rates_told(told):
        show(
            f"{names[one['first']]} wins {rate_in_words(one)} of {one['count']} against "
            f"{names[one['second']]}, by {by}"
        )
    people = told["people"]
    if people:
        show(
            f"people: {people['rated']} of {people['asked']} comparisons rated, "
            f"{people['outstanding']} outstanding; `rlhf evaluate --show {told['evaluation']}` "
            "counts again"
        )
    regression = told["regression"]
    for candidate in regression["candidates"] if regression else ():
        verdict = "passed" if candidate["passed"] else "FAILED"
        show(
            f"regression set {verdict}: {candidate['worse']} of {regression['prompts']} prompts "
            f"got worse in {candidate['name']} (allowed: {regression['allowed']})"
        )
        for one in candidate["prompts"]:
            asked = " ".join(one["messages"][-1]["content"].split())
            show(f"  {one['prompt'] + 1}: {asked[:70]}: {'; '.join(one['why'])}")

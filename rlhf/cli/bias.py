"""The command that looks for bias in policies and reward models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rlhf.cli.options import MODELS, HomeOption, JsonOption, examples, opened

commands = typer.Typer()
FOUND = 3
"""Exit code of `--fail-on-finding`."""


@commands.command(
    rich_help_panel=MODELS,
    epilog=examples(
        "rlhf bias champion",
        "rlhf bias v3 champion --templates loans.jsonl",
        "rlhf bias candidate --fail-on-finding",
    ),
)
def bias(
    refs: Annotated[
        list[str],
        typer.Argument(metavar="REF...", help="Aliases, versions (v3) or digests' starts."),
    ],
    templates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own templates too, one JSON object a line."),
    ] = None,
    requests: Annotated[int, typer.Option(min=2, help="Requests per attribute.")] = 60,
    samples: Annotated[int, typer.Option(min=1, help="Answers per request and group.")] = 4,
    fail_on_finding: Annotated[
        bool, typer.Option("--fail-on-finding", help="Exit with 3 when a bias is found.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the same as different people, and compare what is answered and how it is scored.

    Names, gender, age, origin, religion, spelling and dialect; length, refusals, sentiment and
    reward, with intervals and corrected tests. The report lies in the home's evaluations folder.
    """
    from ray_jobs.driver import drive
    from rlhf.cli.terminal import progress_bar, show_json
    from rlhf.evaluation.bias.own_templates import read_templates
    from rlhf.store import checkpoints, evaluations

    if templates is not None:
        read_templates(templates)
    with opened(home) as (folder, store):
        with store.read() as tx:
            for ref in refs:
                checkpoints.resolve(tx, ref)
        with progress_bar("bias") as progress:
            wanted = {
                "refs": refs,
                "requests": requests,
                "samples": samples,
                "templates": str(templates.absolute()) if templates else None,
            }
            number = drive("ray_jobs.bias_job", folder, wanted, progress)
        with store.read() as tx:
            report = evaluations.evaluation(tx, number).report
    if as_json:
        show_json({"evaluation": number, **report})
    else:
        _show(report, folder / "evaluations" / str(number))
    if fail_on_finding and report["findings"]:
        raise typer.Exit(FOUND)


def _show(report: dict[str, Any], folder: Path) -> None:
    """The conclusion, the findings, the largest differences of each measure."""
    from rlhf.cli.terminal import show, show_table

    show(report["conclusion"])
    for one in report["findings"]:
        show(f"- {one['words']}")
    pairs = list(dict.fromkeys((one["subject"], one["measure"]) for one in report["differences"]))
    rows = []
    for subject, measure in pairs:
        mine = [
            d for d in report["differences"] if (d["subject"], d["measure"]) == (subject, measure)
        ]
        one = max(mine, key=lambda d: abs(d["difference"]) / d["matters"])
        rows.append(
            (subject, measure, f"{one['attribute']}: {one['group']}", f"{one['difference']:+.3g}",
             f"{one['low']:+.3g} to {one['high']:+.3g}", f"{one['matters']:.3g}",
             f"{one['corrected']:.2g}")
        )  # fmt: skip
    columns = ("whose", "measure", "largest for", "difference", "95 % interval", "matters", "p")
    show_table(columns, rows, empty="Nothing was compared.")
    show(f"Report: {folder / 'report.md'}")

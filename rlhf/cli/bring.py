"""`rlhf ingest`: people's own data in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rlhf.cli.options import FEED, HomeOption, JsonOption, examples, opened_or_made
from rlhf.errors import UsageError

if TYPE_CHECKING:
    from rlhf.data.ingest import Report
    from rlhf.data.intake import Wanted
    from rlhf.data.preview import Preview

commands = typer.Typer()


@commands.command(
    rich_help_panel=FEED,
    epilog=examples(
        "rlhf ingest tickets.csv --dry-run",
        "rlhf ingest tickets.csv --map body=prompt --map reply=completion",
        "rlhf ingest chats/ manuals/*.md",
        "rlhf ingest checks.jsonl --known",
    ),
)
def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="JSONL, JSON, CSV, TSV, Parquet, text or Markdown, also as .gz; folders of them.",
        ),
    ],
    kind: Annotated[
        Literal["prompts", "conversations", "documents", "preferences", "demonstrations"] | None,
        typer.Option("--as", help="What they are. Else recognised by columns and content."),
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="A column of yours is our field; then only mapped columns count. Repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check all, show some rows, write nothing.")
    ] = False,
    heldout_share: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of conversations kept for evaluation.")
    ] = 0.15,
    known: Annotated[
        bool,
        typer.Option("--known", help="Pairs whose better answer is known, to check annotators by."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in prompts, conversations, documents or preferences: all of it, or on a mistake none.

    A conversation that ends with an answer gives a prompt and its reference answer. Answers that
    were chosen and rejected, or ranked, teach the reward models as ratings made here do. Documents
    become passages. A text file with "Customer:" and "Agent:" lines is a conversation, any other a
    document. The same file twice adds nothing.

    With --known, every row is a pair with a chosen and a rejected answer and teaches no model:
    annotators are given some of them unawares, and new ones practise on those that have an
    `explanation`.
    """
    from rlhf.data.intake import Wanted
    from rlhf.data.mapping import mapping_of

    mapping = mapping_of(maps or ())
    if known:
        if kind or mapping or dry_run:
            raise UsageError("--known takes neither --as, --map nor --dry-run")
        _known(paths, home)
    elif dry_run:
        _show_previews(paths, Wanted(kind, mapping), as_json=as_json)
    else:
        _take_in(paths, Wanted(kind, mapping, heldout_share), home, as_json=as_json)


def _known(paths: Sequence[Path], home: Path | None) -> None:
    from rlhf.cli.terminal import show
    from rlhf.data.finding import find_files
    from rlhf.data.known import ingest_known

    with opened_or_made(home) as store:
        pairs = ingest_known(store, find_files(paths))
    there = pairs.pairs - pairs.added
    show(f"{pairs.added} known pairs added, {there} were there ({pairs.explained} explained)")


def _take_in(paths: Sequence[Path], wanted: Wanted, home: Path | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from rlhf.cli.terminal import progress_bar, show_json
    from rlhf.data.ingest import ingest as take_in
    from rlhf.settings import home_folder

    with opened_or_made(home) as store, progress_bar("ingest") as bar:
        told = take_in(store, paths, wanted, room=home_folder(home) / "tmp", progress=bar)
    if as_json:
        show_json(asdict(told))
    else:
        _show_report(told)


def _show_report(told: Report) -> None:
    from rlhf.cli.terminal import show
    from rlhf.cli.views import in_words

    splits = ", ".join(f"{count} {split}" for split, count in sorted(told.splits.items()))
    if told.prompts or not told.passages:
        aside = f" ({splits})" if splits else ""
        other = f"{told.other_answers} other answers to known ones, " if told.other_answers else ""
        show(f"{told.added} prompts added, {other}{told.duplicates} known already{aside}")
    if told.passages:
        show(f"{told.passages_added} passages added, {told.passages_known} known already")
    if told.preferences.rankings:
        show(in_words(told.preferences))
    kept = told.rows - sum(told.dropped.values())
    show(f"{told.rows} rows in {told.files} files: " + ", ".join([f"{kept} taken", *_left(told)]))


def _left(told: Report | Preview) -> list[str]:
    return [f"{count} left out: {reason}" for reason, count in told.dropped.items()]


def _show_previews(paths: Sequence[Path], wanted: Wanted, *, as_json: bool) -> None:
    from dataclasses import asdict

    from rlhf.cli.terminal import show, show_json
    from rlhf.data.finding import find_files
    from rlhf.data.preview import preview

    found = [preview(file, wanted.kind, wanted.mapping) for file in find_files(paths)]
    if as_json:
        show_json([asdict(one) for one in found])
        return
    for one in found:
        forms = ", ".join(f"{count} {form}" for form, count in one.forms.items())
        show(f"{one.file}: {one.rows} rows ({', '.join([forms, *_left(one)])})")
        if one.columns:
            show(f"  columns   {', '.join(one.columns)}")
        show(f"  would be  {_would_be(one)}")
        for sample in one.samples:
            show(f"  e.g.      {sample}")
    show("Nothing was written; leave out --dry-run to take it in")


def _would_be(one: Preview) -> str:
    parts = [
        f"{one.prompts} prompts, {one.answered} of them answered" if one.prompts else "",
        f"{one.passages} passages" if one.passages else "",
        f"{one.pairs} preferences from {one.rankings} rankings" if one.pairs else "",
    ]
    return "; ".join(filter(None, parts)) or "nothing"

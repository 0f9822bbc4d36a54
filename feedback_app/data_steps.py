"""What the data page does with files and choices: look at them, then take them in, in plain words.

No Gradio here, and nothing is remembered: every step reads the files again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from feedback_app.data_texts import DATA
from rlhf.data.ingest import Progress, Report, ingest
from rlhf.data.intake import As, Wanted
from rlhf.data.mapping import mapping_of
from rlhf.data.preview import Preview, preview
from rlhf.errors import InputError, RLHFError
from rlhf.store import Store, events

RECOGNISE = "recognise"
KINDS: tuple[As, ...] = get_args(As)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a step leaves on the page."""

    said: str
    files: bool = False
    """Whether there are files to look at again, or to drop."""
    seen: Wanted | None = None
    """How they were read for the previews; None where nothing is to be taken in."""
    previews: tuple[Preview, ...] = ()
    report: Report | None = None


def wanted(kind: str, maps: str) -> Wanted:
    """How files are to be read: `maps` has a COLUMN=FIELD on each line. Raises InputError."""
    chosen = next((one for one in KINDS if one == kind), None)
    pairs = [line.strip() for line in maps.splitlines() if line.strip()]
    return Wanted(chosen, mapping_of(pairs))


def look(paths: Sequence[Path], kind: str, maps: str, progress: Progress) -> Shown:
    """Read all files to their end and write nothing; `progress` is told as by an ingest."""
    if not paths:
        return Shown(DATA["nothing_here"])
    try:
        how = wanted(kind, maps)
        told = tuple(_preview(path, how, progress) for path in paths)
    except RLHFError as wrong:
        return Shown(in_words(wrong), files=True)
    except FileNotFoundError:
        return Shown(DATA["nothing_here"])
    rows = sum(one.rows for one in told)
    kept = rows - sum(sum(one.dropped.values()) for one in told)
    said = DATA["previewed"].format(files=_files(len(told)), kept=kept, rows=rows)
    return Shown(said, files=True, seen=how, previews=told)


def take_in(
    store: Store,
    home: Path,
    paths: Sequence[Path],
    kind: str,
    maps: str,
    *,
    seen: Wanted | None,
    by: str,
    progress: Progress,
) -> Shown:
    """Store all of it or, on a mistake, nothing; only what was `seen` is taken in."""
    if not paths:
        return Shown(DATA["nothing_here"])
    try:
        how = wanted(kind, maps)
        if how != seen:
            shown = look(paths, kind, maps, progress)
            again = DATA["changed"].format(previewed=shown.said)
            return replace(shown, said=again) if shown.seen else shown
        told = ingest(store, paths, how, room=home / "tmp", progress=progress)
    except RLHFError as wrong:
        return Shown(in_words(wrong), files=True)
    kept = told.rows - sum(told.dropped.values())
    added = told.added + told.other_answers + told.passages_added + told.preferences.added
    counts = {"kept": kept, "rows": told.rows, "files": _files(told.files)}
    with store.write() as tx:
        names = ", ".join(path.name for path in paths)
        events.note(tx, by, "data_taken_in", names, {"rows": told.rows, "added": added})
    return Shown(DATA["taken" if added else "nothing_new"].format(**counts), report=told)


def in_words(wrong: RLHFError) -> str:
    """The sentence of an error, with the file under the name that its owner gave it."""
    if isinstance(wrong, InputError) and wrong.file is not None:
        name = Path(wrong.file).name
        wrong = InputError(
            wrong.problem, file=name, line=wrong.line, field=wrong.field, fix=wrong.fix
        )
    return str(wrong)


def _preview(path: Path, how: Wanted, progress: Progress) -> Preview:
    size = path.stat().st_size
    return preview(
        path, how.kind, how.mapping, lambda done: progress(done, size, f"bytes, {path.name}")
    )


def _files(count: int) -> str:
    return DATA["one_file"] if count == 1 else DATA["more_files"].format(count=count)

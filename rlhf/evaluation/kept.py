"""The files of an evaluation: report.json, report.md, the pictures, and every answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlhf.durable import check_place, write_folder
from rlhf.errors import UsageError
from rlhf.evaluation.markdown import markdown
from rlhf.evaluation.plots import draw

JSON, MARKDOWN = "report.json", "report.md"


def write(report: Mapping[str, Any], folder: Path) -> None:
    """Fill a folder with report.json, report.md and the pictures."""
    plots = draw(report, folder)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (folder / JSON).write_text(text, encoding="utf-8")
    title = f"Evaluation {report['evaluation']}"
    (folder / MARKDOWN).write_text(markdown(report, title=title, plots=plots), encoding="utf-8")


def check_target(target: Path) -> None:
    """Raise UsageError unless `target` is new, empty, or an earlier report."""
    check_place(target)
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file; give a folder for the report")
    if target.is_dir() and any(target.iterdir()) and not (target / MARKDOWN).is_file():
        raise UsageError(f"{target} is not empty and no earlier report; give a new folder")


def copy_to(report: Mapping[str, Any], source: Path, target: Path) -> None:
    """Write the report as it stands, and the answers that lie in `source`, into `target` at once.

    Raises UsageError for a folder that holds something else.
    """
    check_target(target)

    def fill(folder: Path) -> None:
        for file in source.glob("*.jsonl"):
            shutil.copy2(file, folder / file.name)
        write(report, folder)

    write_folder(target, fill)

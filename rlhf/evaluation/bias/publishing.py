"""A report's folder in the home: JSON, Markdown and pictures, whole or not at all."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from rlhf.durable import replace_folder
from rlhf.evaluation.bias import plots
from rlhf.evaluation.bias.words import markdown

JSON, MARKDOWN = "report.json", "report.md"


def report_folder(home: Path, number: int) -> Path:
    """Where the report of an evaluation lies."""
    return home / "evaluations" / str(number)


def publish(home: Path, number: int, report: dict[str, Any]) -> Path:
    """Write the folder of a report and return it."""
    fresh = home / "tmp" / f"bias-{uuid.uuid4().hex}"
    fresh.mkdir(mode=0o700)
    try:
        plain = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (fresh / JSON).write_text(plain, encoding="utf-8")
        pictures = plots.draw(report, fresh)
        (fresh / MARKDOWN).write_text(markdown(report, pictures), encoding="utf-8")
        final = report_folder(home, number)
        final.parent.mkdir(mode=0o700, exist_ok=True)
        replace_folder(fresh, final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return final

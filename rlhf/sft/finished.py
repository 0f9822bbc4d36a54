"""What a finished training leaves in its folder. Loads no learner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ADAPTER, DONE = "adapter", "figures.json"
"""In the folder of a training: the finished adapter, and (written last) its figures."""


def figures_of(folder: Path) -> dict[str, Any]:
    """The figures of a finished training."""
    figures: dict[str, Any] = json.loads((folder / DONE).read_text(encoding="utf-8"))
    return figures

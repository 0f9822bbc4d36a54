"""The tables of the data page: previews, the report of an ingest, and what the store has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from feedback_app.data_texts import COUNTED, WOULD_BE
from rlhf.data.ingest import Report
from rlhf.data.preview import Preview
from rlhf.store import Connection
from rlhf.store.datasets import datasets
from rlhf.store.holdings import holdings

SHORT = 12
"""Characters of a digest that name a data set."""


def previewed(told: Sequence[Preview]) -> pd.DataFrame:
    """A line for each file: what it is, what it would become, what would be left out."""
    rows = [
        {
            "file": Path(one.file).name,
            "rows": one.rows,
            "recognised as": _counts(one.forms),
            "would become": _would_be(one),
            "left out": _counts(one.dropped),
            "columns": ", ".join(one.columns),
        }
        for one in told
    ]
    columns = ["file", "rows", "recognised as", "would become", "left out", "columns"]
    return pd.DataFrame(rows, columns=columns)


def samples(told: Sequence[Preview]) -> pd.DataFrame:
    """The first rows of each file, as they would be stored."""
    rows = [{"file": Path(one.file).name, "row": text} for one in told for text in one.samples]
    return pd.DataFrame(rows, columns=["file", "row"])


def report(told: Report | None) -> pd.DataFrame:
    """The sums of an ingest; lines that would say 0 are left out, but for the first two."""
    if told is None:
        return pd.DataFrame()
    preferences, left = told.preferences, sum(told.dropped.values())
    lines = {
        COUNTED["rows"]: told.rows,
        COUNTED["kept"]: told.rows - left,
        **{COUNTED["left_out"].format(reason=why): count for why, count in told.dropped.items()},
        COUNTED["added"]: told.added,
        COUNTED["other_answers"]: told.other_answers,
        COUNTED["duplicates"]: told.duplicates,
        **{COUNTED[split]: told.splits.get(split, 0) for split in ("train", "heldout")},
        COUNTED["passages_added"]: told.passages_added,
        COUNTED["passages_known"]: told.passages_known,
        COUNTED["preferences_added"]: preferences.added,
        COUNTED["preferences_known"]: preferences.known,
        **{COUNTED["unsaid"].format(reason=why): n for why, n in preferences.dropped.items()},
    }
    always = (COUNTED["rows"], COUNTED["kept"])
    rows = [(what, count) for what, count in lines.items() if count or what in always]
    return pd.DataFrame(rows, columns=["what", "count"])


def stored(tx: Connection) -> pd.DataFrame:
    """What the store has, a line for each source."""
    rows = [
        {
            "source": one.source,
            "train": one.train,
            "held out": one.heldout,
            "answers": one.answers,
            "preferences": one.preferences,
            "passages": one.passages,
        }
        for one in holdings(tx)
    ]
    columns = ["source", "train", "held out", "answers", "preferences", "passages"]
    return pd.DataFrame(rows, columns=columns)


def cleaned(tx: Connection) -> pd.DataFrame:
    """The data sets that `rlhf clean` made, the latest first."""
    rows = [
        {
            "data set": one.digest[:SHORT],
            "made (UTC)": datetime.fromtimestamp(one.created_at, UTC).strftime("%Y-%m-%d %H:%M"),
            "rows": one.report["kept"],
            **{split: one.report["splits"][split] for split in ("train", "validation", "test")},
        }
        for one in datasets(tx)
    ]
    columns = ["data set", "made (UTC)", "rows", "train", "validation", "test"]
    return pd.DataFrame(rows, columns=columns)


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{what}: {count}" for what, count in counted.items())


def _would_be(one: Preview) -> str:
    parts = [
        WOULD_BE["prompts"].format(count=one.prompts, answered=one.answered) if one.prompts else "",
        WOULD_BE["preferences"].format(count=one.pairs, rankings=one.rankings) if one.pairs else "",
        WOULD_BE["passages"].format(count=one.passages) if one.passages else "",
    ]
    return "; ".join(filter(None, parts)) or WOULD_BE["nothing"]

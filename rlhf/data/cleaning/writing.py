"""The files of a data set, written chunk by chunk from what the passes left in the work folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rlhf.data.cleaning import decide, passes
from rlhf.data.cleaning.rows import DROPPED
from rlhf.data.cleaning.whole import Whole
from rlhf.data.datasets import ACTIONS, ACTIONS_SCHEMA, ROWS_SCHEMA

CODES = {"train": decide.TRAIN, "validation": decide.VALIDATION, "test": decide.TEST}
COMPRESSION = "zstd"


def write_rows(
    folder: Path,
    work: Path,
    whole: Whole,
    told: decide.Decisions,
    step: Callable[[int], object],
) -> Counter[tuple[str, str]]:
    """Write the three splits and the actions; returns how often each (action, reason) was taken."""
    counted: Counter[tuple[str, str]] = Counter()
    with ExitStack() as files:
        actions = files.enter_context(
            pq.ParquetWriter(folder / ACTIONS, ACTIONS_SCHEMA, compression=COMPRESSION)
        )
        splits = {
            code: files.enter_context(
                pq.ParquetWriter(folder / f"{name}.parquet", ROWS_SCHEMA, compression=COMPRESSION)
            )
            for name, code in CODES.items()
        }
        start = 0
        for chunk, size in enumerate(whole.chunks):
            here = np.arange(start, start + size)
            rows = passes.chunk_rows(work, chunk).select(ROWS_SCHEMA.names)
            for code, writer in splits.items():
                mine = told.stays[here] & (told.split[here] == code)
                if mine.any():
                    writer.write_table(rows.filter(pa.array(mine)))
            taken = pa.concat_tables(
                [passes.chunk_actions(work, chunk), _decisions(whole, told, here.tolist())]
            )
            if len(taken):
                actions.write_table(taken)
            counted.update(
                zip(taken["action"].to_pylist(), taken["reason"].to_pylist(), strict=True)
            )
            start += size
            step(size)
    return counted


def _decisions(whole: Whole, told: decide.Decisions, places: list[int]) -> pa.Table:
    """What was decided with all rows in view, as actions."""
    lines = []
    for place in places:
        if place in told.reasons:
            kind, row = whole.name(place).split(":")
            reason, detail = told.reasons[place]
            lines.append(
                {
                    "kind": kind,
                    "row": int(row),
                    "action": DROPPED,
                    "reason": reason,
                    "detail": detail,
                }
            )
    return pa.Table.from_pylist(lines, schema=ACTIONS_SCHEMA)

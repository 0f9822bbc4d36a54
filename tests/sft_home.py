"""A home with a small cleaned data set, as `rlhf clean` leaves one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rlhf.data.datasets import ACTIONS_SCHEMA, REPORT, ROWS_SCHEMA, Example, publish
from rlhf.home import make_home
from rlhf.store import datasets, open_store

SETTINGS = """
[sft]
epochs = 2
batch_size = 4
save_every = 2
evaluations = 4
[lora]
r = 4
alpha = 8
[ray]
workers = 1
"""


def home_with_data(home: Path, train: Sequence[Example], validation: Sequence[Example]) -> str:
    """Make the home; returns the data set's digest."""
    make_home(home)
    (home / "rlhf.toml").write_text(SETTINGS)
    folder = home / "tmp" / "made"
    folder.mkdir()
    for name, some in (("train", train), ("validation", validation), ("test", ())):
        table = pa.Table.from_pylist([asdict(one) for one in some], ROWS_SCHEMA)
        pq.write_table(table, folder / f"{name}.parquet")
    pq.write_table(ACTIONS_SCHEMA.empty_table(), folder / "actions.parquet")
    (folder / REPORT).write_text(json.dumps({}))
    digest = publish(home, folder)
    store = open_store(home)
    with store.write() as tx:
        datasets.record_dataset(tx, digest=digest, settings={}, report={})
    store.close()
    return digest

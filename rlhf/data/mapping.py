"""`--map column=field`: which column of a table is meant by which of our fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlhf.data.documents import TEXTS, TITLES
from rlhf.data.judged import JUDGES
from rlhf.data.reading.rows import Record, columns_shown, shown
from rlhf.data.shapes import ANSWERS, SHAPES
from rlhf.errors import InputError

FIELDS = (
    *(name for name in SHAPES if name != "message_tree_id"),
    *ANSWERS,
    *("rejected", "ranks", "strength", "margin", "completion", "input"),
    *JUDGES,
    *TEXTS,
    *TITLES,
)


def mapping_of(pairs: Sequence[str]) -> dict[str, str]:
    """Column -> field, from "column=field" each. Raises InputError."""
    made: dict[str, str] = {}
    for pair in pairs:
        column, equals, name = pair.rpartition("=")
        if not equals or not column or not name:
            raise InputError(f"'{shown(pair)}' is no mapping", fix="Write --map column=field")
        if name not in FIELDS:
            known = ", ".join(dict.fromkeys(FIELDS))
            raise InputError(f"there is no field '{shown(name)}'", fix=f"Known are {known}")
        if column in made or name in made.values():
            raise InputError(f"'{shown(pair)}' maps what another --map maps already")
        made[column] = name
    return made


@dataclass(slots=True)
class Mapped:
    """A mapping on its way through a file; it remembers which columns it has met."""

    wanted: Mapping[str, str]
    _met: set[str] = field(default_factory=set)
    _columns: str = ""

    def record(self, record: Record, *, rest: bool) -> Record:
        """The mapped columns by the names of their fields; with `rest`, the others too.

        Raises InputError for a row that has none of them.
        """
        if not self.wanted:
            return record
        self._columns = self._columns or columns_shown(record)
        found = {name: record[column] for column, name in self.wanted.items() if column in record}
        if not found:
            raise InputError(
                f"has no column {self._named(self.wanted)}; columns found: {columns_shown(record)}"
            )
        self._met.update(column for column in self.wanted if column in record)
        others = {name: one for name, one in record.items() if name not in self.wanted}
        return {**others, **found} if rest else found

    def end(self, file: Path) -> None:
        """Raises InputError if no row of the file had one of the columns."""
        missing = [column for column in self.wanted if column not in self._met]
        if missing:
            raise InputError(
                f"no row has the column {self._named(missing)}; columns found: {self._columns}",
                file=file,
            )

    def _named(self, columns: Iterable[str]) -> str:
        return " or ".join(f"'{shown(one)}'" for one in columns)

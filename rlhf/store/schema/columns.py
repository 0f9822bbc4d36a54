"""What every table is made with: the metadata, and columns that many of them have."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def key() -> Column[int]:
    """A number of its own for every row."""
    return Column("id", Integer, primary_key=True, autoincrement=True)


def to(table: str, name: str, *, optional: bool = False) -> Column[int]:
    """A row of another table."""
    return Column(name, Integer, ForeignKey(f"{table}.id"), nullable=optional)


def time(name: str, *, optional: bool = False) -> Column[float]:
    """Seconds since 1970 in UTC."""
    return Column(name, Float, nullable=optional)

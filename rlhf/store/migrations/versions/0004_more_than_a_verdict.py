"""Attributes and an edited answer beside a verdict, flags, comparisons that may ask a third person

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "comparisons",
        sa.Column("tiebreak", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("comparisons", sa.Column("explanation", sa.Text(), nullable=True))
    op.create_index(op.f("ix_comparisons_purpose"), "comparisons", ["purpose"])
    op.create_index(op.f("ix_comparisons_repeat_of"), "comparisons", ["repeat_of"])
    op.add_column(
        "assignments",
        sa.Column("kind", sa.String(length=16), server_default="asked", nullable=False),
    )
    op.add_column("assignments", sa.Column("rank", sa.Float(), server_default="0", nullable=False))
    op.execute(
        "UPDATE assignments SET rank = (SELECT -priority FROM comparisons "
        "WHERE comparisons.id = assignments.comparison_id)"
    )
    op.create_index("ix_assignments_next", "assignments", ["done", "rank", "comparison_id", "slot"])
    op.add_column("ratings", sa.Column("attributes", sa.JSON(), nullable=True))
    op.add_column("ratings", sa.Column("edited", sa.Text(), nullable=True))
    op.execute("UPDATE ratings SET attributes = '{}'")
    told = (
        sa.CheckConstraint("strength BETWEEN 0 AND 3", name=op.f("ck_ratings_strength")),
        sa.CheckConstraint(
            "(preferred IS NULL) = (strength = 0)", name=op.f("ck_ratings_tie_has_no_strength")
        ),
    )
    with op.batch_alter_table("ratings", table_args=told) as ratings:
        ratings.alter_column("attributes", existing_type=sa.JSON(), nullable=False)
    op.create_table(
        "flags",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("comparison_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("flagged_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=True),
        sa.Column("seen_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name=op.f("fk_flags_comparison_id_comparisons")
        ),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["people.id"], name=op.f("fk_flags_annotator_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags")),
        sa.UniqueConstraint(
            "comparison_id", "annotator_id", name=op.f("uq_flags_comparison_id_annotator_id")
        ),
    )

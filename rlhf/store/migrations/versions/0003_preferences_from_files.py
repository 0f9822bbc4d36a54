"""Preferences from files, conversations that prompts come from, and comparisons with a known answer

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("prompts", sa.Column("conversation", sa.String(length=64), nullable=True))
    op.execute("UPDATE prompts SET conversation = digest")
    split = sa.CheckConstraint("split IN ('train', 'heldout')", name=op.f("ck_prompts_split"))
    with op.batch_alter_table("prompts", table_args=(split,)) as prompts:
        prompts.alter_column("conversation", existing_type=sa.String(length=64), nullable=False)
    order = sa.CheckConstraint(
        "response_lo < response_hi", name=op.f("ck_comparisons_canonical_order")
    )
    with op.batch_alter_table("comparisons", table_args=(order,)) as comparisons:
        comparisons.add_column(sa.Column("expected", sa.Integer(), nullable=True))
        comparisons.add_column(sa.Column("repeat_of", sa.Integer(), nullable=True))
        comparisons.create_foreign_key(
            op.f("fk_comparisons_expected_responses"), "responses", ["expected"], ["id"]
        )
        comparisons.create_foreign_key(
            op.f("fk_comparisons_repeat_of_comparisons"), "comparisons", ["repeat_of"], ["id"]
        )
        comparisons.drop_constraint(op.f("uq_comparisons_response_lo_response_hi"), type_="unique")
        comparisons.create_unique_constraint(
            op.f("uq_comparisons_response_lo_response_hi_purpose"),
            ["response_lo", "response_hi", "purpose"],
        )
    told = (
        sa.CheckConstraint("strength BETWEEN 0 AND 3", name=op.f("ck_ratings_strength")),
        sa.CheckConstraint(
            "(preferred IS NULL) = (strength = 0)", name=op.f("ck_ratings_tie_has_no_strength")
        ),
    )
    with op.batch_alter_table("ratings", table_args=told) as ratings:
        ratings.alter_column("lease_id", existing_type=sa.String(length=36), nullable=True)

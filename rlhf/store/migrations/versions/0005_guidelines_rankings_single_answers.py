"""Guidelines in versions, rankings of several answers, comparisons of a single one

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ratings", sa.Column("guidelines", sa.Integer(), nullable=True))
    op.execute("UPDATE ratings SET guidelines = 1 WHERE lease_id IS NOT NULL")
    order = (
        sa.CheckConstraint(
            "response_lo < response_hi", name=op.f("ck_comparisons_canonical_order")
        ),
    )
    with op.batch_alter_table("comparisons", table_args=order) as comparisons:
        comparisons.alter_column("response_hi", existing_type=sa.Integer(), nullable=True)
    op.create_table(
        "rankings",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("prompt_id", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_rankings_prompt_id_prompts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rankings")),
    )
    op.create_index(op.f("ix_rankings_prompt_id"), "rankings", ["prompt_id"])
    op.create_table(
        "ranking_responses",
        sa.Column("ranking_id", sa.Integer(), nullable=False),
        sa.Column("response_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ranking_id"], ["rankings.id"], name=op.f("fk_ranking_responses_ranking_id_rankings")
        ),
        sa.ForeignKeyConstraint(
            ["response_id"],
            ["responses.id"],
            name=op.f("fk_ranking_responses_response_id_responses"),
        ),
        sa.PrimaryKeyConstraint("ranking_id", "response_id", name=op.f("pk_ranking_responses")),
    )
    op.create_table(
        "ranking_people",
        sa.Column("ranking_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["ranking_id"], ["rankings.id"], name=op.f("fk_ranking_people_ranking_id_rankings")
        ),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["people.id"], name=op.f("fk_ranking_people_annotator_id_people")
        ),
        sa.PrimaryKeyConstraint("ranking_id", "annotator_id", name=op.f("pk_ranking_people")),
    )
    op.create_index(
        op.f("ix_ranking_people_annotator_id_ended_at"),
        "ranking_people",
        ["annotator_id", "ended_at"],
    )
    op.create_table(
        "guidelines",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("written_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_guidelines")),
    )
    op.create_table(
        "guidelines_read",
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("read_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["people.id"], name=op.f("fk_guidelines_read_annotator_id_people")
        ),
        sa.PrimaryKeyConstraint("annotator_id", "version", name=op.f("pk_guidelines_read")),
    )

"""The answers to a prompt are found without looking through all of them

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_responses_prompt_id_purpose"), "responses", ["prompt_id", "purpose"])

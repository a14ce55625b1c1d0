"""options of a job, uploads that wait for one"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def added() -> list[sa.Column[Any]]:
    """Return the new columns, which belong to the first table that they are added to."""
    return [
        sa.Column("extension", sa.String(length=8), nullable=True),
        sa.Column("strength", sa.Float(), nullable=False, server_default="1"),
        sa.Column("level_lufs", sa.Float(), nullable=True),
        sa.Column("output_url", sa.Text(), nullable=True),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("upload_id", sa.String(length=36), nullable=True),
        sa.Column("delivery", sa.String(length=16), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
    ]


def upgrade() -> None:
    with op.batch_alter_table("denoise_records", schema=None) as batch_op:
        for column in added():
            batch_op.add_column(column)
        batch_op.create_check_constraint(batch_op.f("ck_denoise_records_strength"), "strength >= 0 AND strength <= 1")
    op.execute("UPDATE denoise_records SET extension = 'wav'")
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("audio_format", sa.String(length=16), nullable=False),
        sa.Column("audio_duration", sa.Float(), nullable=False),
        sa.Column("audio_size", sa.BigInteger(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_uploads_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_created_at"), "uploads", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_uploads_created_at"), table_name="uploads")
    op.drop_table("uploads")
    with op.batch_alter_table("denoise_records", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_denoise_records_strength"), type_="check")
        for column in reversed(added()):
            batch_op.drop_column(column.name)

"""a job's state in its row, deliveries, the installation's id"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
OPEN = sa.text("delivered_at IS NULL AND failed_at IS NULL")
CHECKS = {"percent": "percent >= 0 AND percent <= 100", "audio_track": "audio_track >= 0"}


def added() -> list[sa.Column[Any]]:
    """Return the new columns, which belong to the first table that they are added to."""
    return [
        sa.Column("audio_track", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("percent", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=True),
        sa.Column("cancel_asked_at", sa.BigInteger(), nullable=True),
        sa.Column("track", sa.Text(), nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("result_bytes", sa.BigInteger(), nullable=False, server_default="0"),
    ]


def upgrade() -> None:
    with op.batch_alter_table("denoise_records", schema=None) as batch_op:
        for column in added():
            batch_op.add_column(column)
        for name, check in CHECKS.items():
            batch_op.create_check_constraint(batch_op.f(f"ck_denoise_records_{name}"), check)
    op.add_column("uploads", sa.Column("track", sa.Text(), nullable=True))
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["denoise_records.id"], name=op.f("fk_deliveries_job_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_deliveries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_job_id"), "deliveries", ["job_id"], unique=False)
    op.create_index("ix_deliveries_due", "deliveries", ["due_at"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "installation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )


def downgrade() -> None:
    op.drop_column("uploads", "track")
    op.drop_table("installation")
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_job_id"), table_name="deliveries")
    op.drop_table("deliveries")
    with op.batch_alter_table("denoise_records", schema=None) as batch_op:
        for name in CHECKS:
            batch_op.drop_constraint(batch_op.f(f"ck_denoise_records_{name}"), type_="check")
        for column in reversed(added()):
            batch_op.drop_column(column.name)

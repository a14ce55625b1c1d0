"""scopes of keys, balances, idempotency keys, uploads in parts, a log of deliveries"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
OPEN = sa.text("delivered_at IS NULL AND failed_at IS NULL")
REMOVED = sa.text("removed_at IS NOT NULL")


def of_records() -> list[sa.Column[Any]]:
    """Return the new columns of records, which belong to the first table that they are added to."""
    return [
        sa.Column("webhook_base", sa.Text(), nullable=True),
        sa.Column("tiles_key", sa.Text(), nullable=True),
        sa.Column("original_gone_at", sa.BigInteger(), nullable=True),
        sa.Column("result_gone_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
    ]


def of_keys() -> list[sa.Column[Any]]:
    """Return the new columns of the keys."""
    return [
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("scope", sa.String(length=8), nullable=False, server_default="full"),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
    ]


def upgrade() -> None:
    drop_deliveries()  # nothing could request a delivery yet
    with op.batch_alter_table("denoise_records", schema=None) as batch_op:
        for column in of_records():
            batch_op.add_column(column)
    op.create_index(
        "ix_denoise_records_removed",
        "denoise_records",
        ["removed_at"],
        sqlite_where=REMOVED,
        postgresql_where=REMOVED,
    )
    op.add_column("users", sa.Column("webhook_secret", sa.Text(), nullable=True))
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        for column in of_keys():
            batch_op.add_column(column)
        batch_op.create_check_constraint(batch_op.f("ck_api_keys_scope"), "scope IN ('full', 'read', 'admin')")
    create_deliveries()
    create_tables()


def create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_deliveries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_job_id"), "deliveries", ["job_id"], unique=False)
    op.create_index("ix_deliveries_due", "deliveries", ["due_at"], sqlite_where=OPEN, postgresql_where=OPEN)
    newest: list[Any] = [
        sa.literal_column("user_id"),
        sa.literal_column("created_at DESC"),
        sa.literal_column("id DESC"),
    ]
    op.create_index("ix_deliveries_log", "deliveries", newest, unique=False)


def create_tables() -> None:
    op.create_table(
        "balances",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("available_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("available_ms >= 0", name=op.f("ck_balances_available")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_balances_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_balances")),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("amount_ms", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('credit', 'reservation')", name=op.f("ck_transactions_kind")),
        sa.CheckConstraint("state IN ('open', 'settled', 'returned')", name=op.f("ck_transactions_state")),
        sa.CheckConstraint(
            "(kind = 'reservation') = (job_id IS NOT NULL)", name=op.f("ck_transactions_job_of_reservation")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_transactions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("job_id", name=op.f("uq_transactions_job_id")),
    )
    op.create_index(op.f("ix_transactions_user_id"), "transactions", ["user_id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("job_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("touched_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "partial_uploads",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("upload_metadata", sa.Text(), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("offset_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "offset_bytes >= 0 AND offset_bytes <= length_bytes", name=op.f("ck_partial_uploads_offset")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_partial_uploads_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partial_uploads")),
    )
    op.create_index(op.f("ix_partial_uploads_user_id"), "partial_uploads", ["user_id"], unique=False)
    op.create_index(op.f("ix_partial_uploads_expires_at"), "partial_uploads", ["expires_at"], unique=False)


def drop_deliveries() -> None:
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_job_id"), table_name="deliveries")
    op.drop_table("deliveries")


def downgrade() -> None:
    for name in ("partial_uploads", "idempotency_keys", "transactions", "balances"):
        op.drop_table(name)
    op.drop_index("ix_deliveries_log", table_name="deliveries")
    drop_deliveries()
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_api_keys_scope"), type_="check")
        for column in reversed(of_keys()):
            batch_op.drop_column(column.name)
    op.drop_column("users", "webhook_secret")
    op.drop_index("ix_denoise_records_removed", table_name="denoise_records")
    with op.batch_alter_table("denoise_records", schema=None) as batch_op:
        for column in reversed(of_records()):
            batch_op.drop_column(column.name)
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

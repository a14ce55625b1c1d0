"""which job is next, found by an index; which claim a lease came of"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
WAITING = {"jobs": "source_url IS NULL", "fetches": "source_url IS NOT NULL"}


def upgrade() -> None:
    op.add_column("denoise_records", sa.Column("claim", sa.String(length=32), nullable=True))
    for name, kind in WAITING.items():
        where = sa.text(f"status = 'pending' AND {kind}")
        columns = ["user_id", "created_at", "id"]
        op.create_index(
            f"ix_denoise_records_{name}", "denoise_records", columns, sqlite_where=where, postgresql_where=where
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE INDEX ix_procrastinate_jobs_record ON procrastinate_jobs ((args->>'record_id'))")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_procrastinate_jobs_record")
    for name in WAITING:
        op.drop_index(f"ix_denoise_records_{name}", table_name="denoise_records")
    op.drop_column("denoise_records", "claim")

"""what does not count as noise in a job's recording"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("denoise_records", sa.Column("keep", sa.String(length=16), nullable=True))


def downgrade() -> None:
    op.drop_column("denoise_records", "keep")

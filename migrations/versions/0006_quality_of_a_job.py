"""how much work is put into a job's sound"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("denoise_records", sa.Column("quality", sa.String(length=8), nullable=True))


def downgrade() -> None:
    op.drop_column("denoise_records", "quality")

"""priorities of users, and what one process of many holds for a while"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
RAISED = sa.text("priority <> 0")


def upgrade() -> None:
    op.add_column("users", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_users_priority", "users", ["priority"], sqlite_where=RAISED, postgresql_where=RAISED)
    op.create_table(
        "holds",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_holds")),
    )


def downgrade() -> None:
    op.drop_table("holds")
    op.drop_index("ix_users_priority", table_name="users")
    op.drop_column("users", "priority")

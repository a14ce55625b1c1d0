"""the queue's own tables, in PostgreSQL; in SQLite the records are the queue"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
OBJECTS = """
DO $$
DECLARE thing record;
BEGIN
    FOR thing IN SELECT tablename FROM pg_tables
        WHERE schemaname = current_schema() AND tablename LIKE 'procrastinate\\_%'
    LOOP EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', thing.tablename); END LOOP;
    FOR thing IN SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = current_schema() AND p.proname LIKE 'procrastinate\\_%'
    LOOP EXECUTE 'DROP FUNCTION IF EXISTS ' || thing.name || ' CASCADE'; END LOOP;
    FOR thing IN SELECT t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname = current_schema() AND t.typname LIKE 'procrastinate\\_%' AND t.typtype IN ('e', 'c')
    LOOP EXECUTE format('DROP TYPE IF EXISTS %I CASCADE', thing.typname); END LOOP;
END $$
"""


FOLDED = """
CREATE FUNCTION has_folded(whole text, part text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (strpos(lower(whole COLLATE "und-x-icu"), part) > 0)::integer $$
"""


def run(sql: str) -> None:
    """Run statements unchanged; otherwise the driver parses their percent signs as parameters."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(sql)
    cursor.close()


def upgrade() -> None:
    op.add_column("users", sa.Column("turn_at", sa.BigInteger(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        from procrastinate.schema import SchemaManager  # part of the extra that PostgreSQL needs anyway

        run(SchemaManager.get_schema())
        run(FOLDED)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        run(OBJECTS)
        run("DROP FUNCTION has_folded(text, text)")
    op.drop_column("users", "turn_at")

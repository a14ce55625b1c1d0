"""Alembic's environment: uses the given connection, or opens the database of the settings."""

from alembic import context
from sqlalchemy import Connection, create_engine

from munsit_denoise.db.engine import prepare
from munsit_denoise.db.tables import metadata
from munsit_denoise.settings import read_settings


def is_ours(_: object, name: str | None, kind: str, *__: object) -> bool:
    """Ignore tables of the queue's package in the same database."""
    return not (kind == "table" and (name or "").startswith("procrastinate_"))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, include_object=is_ours, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


handed = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    settings = read_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = create_engine(settings.database)
    prepare(engine)
    with engine.execution_options(writes=True).begin() as own:
        run(own)

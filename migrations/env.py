"""Alembic's entry: uses the connection it is handed, or opens the database of the settings."""

from alembic import context
from sqlalchemy import Connection, create_engine

from munsit_denoise.db.engine import prepare
from munsit_denoise.db.tables import metadata
from munsit_denoise.settings import read_settings


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
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

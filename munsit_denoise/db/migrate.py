"""Bringing a database to the present schema, and back."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from munsit_denoise.db.engine import prepare


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database of a URL `sqlite:///path`, creating it when it is missing.

    The migration holds the database's write lock, so a second process waits and then finds nothing to do.
    """
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str = "base") -> None:
    """Take the database back to an older revision."""
    _run(url, lambda config: command.downgrade(config, revision))


def _run(url: str, act: Callable[[Config], None]) -> None:
    engine = create_engine(url)
    Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
    prepare(engine)
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        act(config)
    engine.dispose()


def migrations_folder() -> Path:
    """Return where the migration scripts lie: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"

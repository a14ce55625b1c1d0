"""What all commands share: settings, a database with this version's schema, and errors on one line."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import anyio
import typer

from munsit_denoise.batch.words import told
from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.migrate import UnusableDatabase, check_schema, upgrade
from munsit_denoise.lock import AlreadyRunning, only_server
from munsit_denoise.logs import configure_logging
from munsit_denoise.private import make_private, private_files
from munsit_denoise.settings import Settings, SettingsError, read_settings, unknown_variables

Result = TypeVar("Result")


def use_database(use: Callable[[Database], Awaitable[Result]]) -> Result:
    """Return the result of `use` with an existing database; exits if there is none."""
    settings = settings_of_command()
    if not settings.is_cluster and not settings.database_path.exists():
        fail(f"there are no keys yet: the database {settings.database_path} does not exist")
    with private_files(), one_line_errors():
        bring_up_to_date(settings)
        return anyio.run(with_database, settings, use)


async def with_database(settings: Settings, use: Callable[[Database], Awaitable[Result]]) -> Result:
    """Return the result of `use` with the database."""
    database = open_database(settings.database)
    try:
        return await use(database)
    finally:
        await database.close()


def bring_up_to_date(settings: Settings) -> bool:
    """Migrate the database unless a running server uses it; return whether one does.

    A running server must have this version's schema. A shared database is migrated only by `db upgrade`. Raises
    UnusableDatabase, OSError.
    """
    if settings.is_cluster:
        check_schema(settings.database)
        return True
    try:
        with only_server(settings):
            upgrade(settings.database)
            make_private(settings.database_path)
    except AlreadyRunning:
        check_schema(settings.database)
        return True
    return False


def settings_of_command(**overrides: object) -> Settings:
    """Return the settings and configure the log; exits if a setting is wrong."""
    try:
        settings = read_settings(**overrides)
    except SettingsError as error:
        fail(str(error))
    for sentence in unknown_variables():
        typer.echo(f"munsit-denoise: warning: {sentence}", err=True)
    configure_logging(settings.log_level, settings.log_format)
    return settings


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print errors that a user can correct on one line."""
    from munsit_denoise.errors import CannotGoOn, DenoiseError
    from munsit_denoise.media.ffmpeg import MissingProgram

    try:
        yield
    except (DenoiseError, CannotGoOn, MissingProgram, AlreadyRunning, UnusableDatabase) as error:
        fail(str(error))
    except BrokenPipeError:
        raise  # the reader of the output is gone
    except OSError as error:
        reason = error.strerror or str(error)
        fail(f"{error.filename}: {told(reason)}" if error.filename else reason)


def fail(message: str) -> NoReturn:
    """Print an error in the language of the locale and exit."""
    typer.echo(f"munsit-denoise: {told(message)}", err=True)
    raise typer.Exit(1)

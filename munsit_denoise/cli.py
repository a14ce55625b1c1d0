"""The command line: `munsit-denoise serve | enhance | keys | db`."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import anyio
import typer

from munsit_denoise import __version__
from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.logs import configure_logging
from munsit_denoise.settings import Settings, SettingsError, read_settings

Result = TypeVar("Result")
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
keys_app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")
db_app = typer.Typer(no_args_is_help=True, help="The database's schema.")
app.add_typer(keys_app, name="keys")
app.add_typer(db_app, name="db")
FIRST_USER = "admin"


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Run the server; the first start creates the database and a first API key."""
    from munsit_denoise.serve import run_server  # the server's parts are not needed for the other commands

    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = _settings(**chosen)
    with _one_line_errors():
        _upgrade(settings)
        run_server(settings, first_key=_first_key(settings))


@app.command()
def enhance(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A file, or a folder of files.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="A file, its format by extension, or a folder.")],
    strength: Annotated[float, typer.Option(min=0.0, max=1.0, help="How much of the noise is removed.")] = 1.0,
) -> None:
    """Remove the noise from a file or from every file of a folder; needs no server."""
    from munsit_denoise.enhance import enhance_paths

    settings = _settings()
    with _one_line_errors():
        failed = anyio.run(enhance_paths, settings, source, target, strength)
    if failed:
        _fail(f"{failed} of the files could not be processed")


@keys_app.command("create")
def create_key(user: Annotated[str, typer.Option(help="Whose key it is; a new name is a new user.")]) -> None:
    """Create a key and print it, and only it: it cannot be shown again."""
    typer.echo(_with_keys(lambda keys: keys.create(user)))


@keys_app.command("list")
def list_keys() -> None:
    """List the keys by their first digits."""
    for key in _with_keys(lambda keys: keys.list()):
        created = datetime.fromtimestamp(key.created_at_us / 1e6, UTC)
        state = "revoked" if key.revoked else "valid"
        typer.echo(f"{key.prefix}…  {created:%Y-%m-%d %H:%M}  {state:8}{key.user_name}")


@keys_app.command("revoke")
def revoke_keys(prefix: Annotated[str, typer.Argument(help="The first digits, as `keys list` shows them.")]) -> None:
    """Revoke every key that begins with these digits."""
    if len(prefix) <= len("mds_"):
        _fail("give more of the key than that: this would revoke them all")
    count = _with_keys(lambda keys: keys.revoke(prefix[:12]))
    if not count:
        _fail(f"no valid key begins with {prefix}")
    typer.echo(f"revoked: {count}")


@db_app.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to this version's schema."""
    with _one_line_errors():
        _upgrade(_settings())


def _first_key(settings: Settings) -> str | None:
    """Return a new key when there is none at all."""

    async def create(keys: Keys) -> str | None:
        return None if await keys.list() else await keys.create(FIRST_USER)

    return anyio.run(_use_keys, settings, create)


def _with_keys(use: Callable[[Keys], Awaitable[Result]]) -> Result:
    settings = _settings()
    with _one_line_errors():
        _upgrade(settings)
        return anyio.run(_use_keys, settings, use)


async def _use_keys(settings: Settings, use: Callable[[Keys], Awaitable[Result]]) -> Result:
    database = open_database(settings.database)
    try:
        return await use(Keys(database))
    finally:
        await database.close()


def _upgrade(settings: Settings) -> None:
    upgrade(settings.database)


def _settings(**overrides: object) -> Settings:
    try:
        settings = read_settings(**overrides)
    except SettingsError as error:
        _fail(str(error))
    configure_logging(settings.log_level, settings.log_format)
    return settings


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what a person can mend into one line."""
    from munsit_denoise.errors import DenoiseError
    from munsit_denoise.media.ffmpeg import MissingProgram
    from munsit_denoise.services import AlreadyRunning

    try:
        yield
    except (DenoiseError, MissingProgram, AlreadyRunning) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'the operation'}: {error.strerror or error}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"munsit-denoise: {message}", err=True)
    raise typer.Exit(1)

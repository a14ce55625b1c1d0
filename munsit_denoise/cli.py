"""Noise removal for recordings and videos: a server, and a command for files and folders."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, NoReturn, TypeVar

import anyio
import typer

from munsit_denoise import __version__
from munsit_denoise.commands.remote import remote
from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import UnusableDatabase, check_schema, upgrade
from munsit_denoise.help import PlainCommand
from munsit_denoise.lock import AlreadyRunning, only_server
from munsit_denoise.logs import configure_logging
from munsit_denoise.private import make_private, private_files
from munsit_denoise.settings import Settings, SettingsError, read_settings, unknown_variables

Result = TypeVar("Result")
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=__doc__,
)
keys_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys: create, list, revoke.")
db_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The database's schema.")
app.add_typer(keys_app, name="keys")
app.add_typer(db_app, name="db")
app.command("remote", cls=PlainCommand)(remote)


def main() -> None:
    """Run the command line."""
    app(prog_name="munsit-denoise")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command(cls=PlainCommand)
def serve(
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="Port to listen on.")] = None,
) -> None:
    """Run the server; the first start creates the database and a first API key."""
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = _settings(**chosen)
    with _one_line_errors():
        from munsit_denoise.serve import run_server  # the server's parts are not needed for the other commands

        run_server(settings)


@app.command(cls=PlainCommand)
def enhance(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Files, or folders of files; - is standard input.")
    ],
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="A file, its format by extension; a folder; - is standard output.")
    ],
    strength: Annotated[float, typer.Option(metavar="0..1", help="How much of the noise is removed.")] = 1.0,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="EXT", help="Format of results: wav, flac, mp3 and so on.")
    ] = None,
    loudness: Annotated[
        float | None,
        typer.Option(metavar="LUFS", help="Bring results to this loudness, -70 to 0, such as -16."),
    ] = None,
    track: Annotated[int, typer.Option(metavar="N", help="Which audio track of a file; 0 is the first.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out files whose result is there: go on after Ctrl-C.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="With the folders in a folder, or without.")
    ] = True,
    jobs: Annotated[int, typer.Option(metavar="N", help="Files at the same time, 1 to 64.")] = 1,
    json_: Annotated[bool, typer.Option("--json", help="Print one line of JSON a file on standard output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
) -> None:
    """Remove the noise from files or from whole folders; needs no server.

    Exit codes: 0 all is well, 1 some failed, 2 the command makes no sense, 130 after Ctrl-C, 143 after a termination.
    """
    settings = _settings()
    with _one_line_errors():
        from munsit_denoise.batch.command import run_command
        from munsit_denoise.batch.order import Order

        order = Order(
            inputs=tuple(inputs),
            output=output,
            strength=strength,
            extension=format_,
            level_lufs=loudness,
            track=track,
            overwrite=overwrite,
            skip_existing=skip_existing,
            recursive=recursive,
            jobs=jobs,
            json=json_,
            dry_run=dry_run,
        )
        raise typer.Exit(run_command(settings, order))


@keys_app.command("create", cls=PlainCommand)
def create_key(
    user: Annotated[str, typer.Option(metavar="NAME", help="Whose key it is; a new name is a new user.")],
) -> None:
    """Create a key and print it, and only it: it cannot be shown again."""
    settings = _settings()
    with private_files(), _one_line_errors():
        served = _bring_up_to_date(settings)
        key = anyio.run(_use_keys, settings, lambda keys: keys.create(user))
        if not served:
            typer.echo(f"No server is running on this data. The key is in {settings.database_path}", err=True)
    typer.echo(key)


@keys_app.command("list", cls=PlainCommand)
def list_keys() -> None:
    """List the keys by their first digits."""
    for key in _with_keys(lambda keys: keys.list()):
        created = datetime.fromtimestamp(key.created_at_us / 1e6, UTC)
        state = "revoked" if key.revoked else "valid"
        typer.echo(f"{key.prefix}…  {created:%Y-%m-%d %H:%M}  {state:8}{key.user_name}")


@keys_app.command("revoke", cls=PlainCommand)
def revoke_keys(
    prefix: Annotated[str, typer.Argument(metavar="DIGITS", help="The first digits, as `keys list` shows them.")],
) -> None:
    """Revoke every key that begins with these digits."""
    if len(prefix) <= len("mds_"):
        _fail("give more of the key than that: this would revoke them all")
    count = _with_keys(lambda keys: keys.revoke(prefix[:12]))
    if not count:
        _fail(f"no valid key begins with {prefix}")
    typer.echo(f"revoked: {count}")


@db_app.command("upgrade", cls=PlainCommand)
def upgrade_database() -> None:
    """Bring the database to this version's schema; not while a server runs."""
    settings = _settings()
    with private_files(), _one_line_errors():
        _bring_up_to_date(settings)


def _with_keys(use: Callable[[Keys], Awaitable[Result]]) -> Result:
    settings = _settings()
    if not settings.database_path.exists():
        _fail(f"there are no keys yet: the database {settings.database_path} does not exist")
    with private_files(), _one_line_errors():
        _bring_up_to_date(settings)
        return anyio.run(_use_keys, settings, use)


async def _use_keys(settings: Settings, use: Callable[[Keys], Awaitable[Result]]) -> Result:
    database = open_database(settings.database)
    try:
        return await use(Keys(database))
    finally:
        await database.close()


def _bring_up_to_date(settings: Settings) -> bool:
    """Migrate the database unless a server runs on it, whose schema has to be ours; return whether one does.

    Raises UnusableDatabase, OSError.
    """
    try:
        with only_server(settings):
            upgrade(settings.database)
            make_private(settings.database_path)
    except AlreadyRunning:
        check_schema(settings.database)
        return True
    return False


def _settings(**overrides: object) -> Settings:
    try:
        settings = read_settings(**overrides)
    except SettingsError as error:
        _fail(str(error))
    for sentence in unknown_variables():
        typer.echo(f"munsit-denoise: warning: {sentence}", err=True)
    configure_logging(settings.log_level, settings.log_format)
    return settings


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what a person can mend into one line."""
    from munsit_denoise.errors import CannotGoOn, DenoiseError
    from munsit_denoise.media.ffmpeg import MissingProgram

    try:
        yield
    except (DenoiseError, CannotGoOn, MissingProgram, AlreadyRunning, UnusableDatabase) as error:
        _fail(str(error))
    except BrokenPipeError:
        raise  # whoever read the output has gone: nobody is there to be told
    except OSError as error:
        _fail(f"{error.filename or 'the operation'}: {error.strerror or error}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"munsit-denoise: {message}", err=True)
    raise typer.Exit(1)

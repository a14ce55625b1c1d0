"""The command `move`: from one machine into a cluster."""

import tempfile
import time
from pathlib import Path
from shutil import rmtree
from typing import Annotated

import anyio
import typer

from munsit_denoise.commands.opening import fail, one_line_errors, settings_of_command
from munsit_denoise.lock import only_server
from munsit_denoise.private import private_files
from munsit_denoise.settings import Settings, SettingsError, read_settings

MIB = 2**20
SCRATCH = ".munsit-denoise-moving-"  # in the data folder
TOLD_EVERY_S = 5.0


def move(
    to_database: Annotated[
        str, typer.Option("--to-database", metavar="URL", help="An empty database, postgresql://user@host/name.")
    ],
    to_storage: Annotated[
        str, typer.Option("--to-storage", metavar="URL", help="An empty place, s3://bucket/prefix or file:///path.")
    ],
) -> None:
    """Move this machine's records and recordings into a cluster. Stop the server first.

    The store's address and credentials are DENOISE_S3_ENDPOINT and the usual AWS_* variables. Nothing is deleted here.
    Run the command again to continue a move that was interrupted.
    """
    settings = settings_of_command()
    target = _target(settings, to_database, to_storage)
    if not settings.database_path.is_file():
        fail(f"there is nothing to move: the database {settings.database_path} does not exist")
    with private_files(), one_line_errors(), only_server(settings):
        from munsit_denoise.backup.moving import move as move_all  # other commands do not need it
        from munsit_denoise.db.migrate import upgrade

        upgrade(settings.database)
        for left in settings.data_dir.glob(f"{SCRATCH}*"):  # of a move that was killed
            rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=settings.data_dir) as scratch:
            moved = anyio.run(move_all, settings, target, Path(scratch), _FileProgress().tell)
    typer.echo(f"moved: {moved.rows} rows, {moved.files} files, {moved.size_bytes // MIB} MiB")
    if moved.missing:
        told = f"{len(moved.missing)} files of the database are missing from the storage, {moved.missing[0]} among them"
        typer.echo(f"munsit-denoise: warning: {told}", err=True)
    typer.echo(f"Start the cluster with DENOISE_DATABASE_URL and DENOISE_STORAGE_URL={to_storage}; see docs/deploy.")
    typer.echo(f"Do not start a server on {settings.data_dir.absolute()} again; remove it once the cluster works.")


def _target(settings: Settings, database_url: str, storage_url: str) -> Settings:
    """Return the settings of the cluster; exits if they are contradictory."""
    if settings.is_cluster:
        fail("DENOISE_DATABASE_URL names PostgreSQL already; move starts from an installation with SQLite")
    try:
        target = read_settings(database_url=database_url, storage_url=storage_url)
    except SettingsError as error:
        fail(str(error))
    if not target.is_cluster:
        fail("--to-database must be a PostgreSQL database, like postgresql://user@host/name")
    if target.storage_root == settings.storage_root and not storage_url.startswith("s3:"):
        fail("--to-storage names the folder that the recordings are in already")
    return target


class _FileProgress:
    """Reports the number of copied files at intervals."""

    def __init__(self) -> None:
        self._told_at_s = time.monotonic()

    def tell(self, done: int, count: int) -> None:
        """Report it on standard error, unless the last report was a moment ago."""
        if time.monotonic() - self._told_at_s >= TOLD_EVERY_S:
            self._told_at_s = time.monotonic()
            typer.echo(f"files: {done} of {count}", err=True)

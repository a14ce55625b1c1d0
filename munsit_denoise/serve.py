"""The command `serve`: locks the data, binds the port, migrates the schema, then serves and prints how to use it."""

import errno
import logging
import os
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path

import anyio
import typer

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import check_schema, upgrade
from munsit_denoise.engine.allocator import keep_freed_memory
from munsit_denoise.engine.catalogue import DEEPFILTERNET3, OWN, NoSuchEnhancer, brought
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.lock import only_server
from munsit_denoise.media.ffmpeg import program
from munsit_denoise.media.sample import write_sample
from munsit_denoise.private import make_private, private_files
from munsit_denoise.server import create_server
from munsit_denoise.services import check_data
from munsit_denoise.settings import Settings

log = logging.getLogger(__name__)
SAMPLE = "sample.wav"
HIDDEN_KEY = "YOUR_KEY"
FIRST_USER = "admin"
USABLE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - shown in place of "all addresses", not bound
LOCK_PATIENCE_S = 2.0  # a `keys` command may hold the lock while it creates the database
PROBE_BYTES = 2**20  # must fit on the disk before a server starts


def run_server(settings: Settings) -> None:
    """Serve until a signal; a first key is created and printed once the port is open.

    Raises MissingProgram, AlreadyRunning, UnusableDatabase, CannotGoOn, and OSError for a port in use or a full disk.
    """
    keep_freed_memory()  # before any thread starts: each would get a heap of its own
    for name in ("ffmpeg", "ffprobe"):
        program(name)
    _check_device(settings)
    if settings.job_concurrency and settings.enhancer not in (OWN, DEEPFILTERNET3):
        try:
            brought(settings.enhancer)
        except NoSuchEnhancer as error:
            raise CannotGoOn(str(error)) from None
    with private_files(), only_server(settings, LOCK_PATIENCE_S), _listen(settings) as listener:
        _check_room(settings.data_dir.absolute())
        if not settings.storage_url.startswith("s3:"):
            _check_room(settings.storage_root)
        if settings.is_cluster:
            check_schema(settings.database)
        else:
            upgrade(settings.database)
            make_private(settings.database_path)
        anyio.run(check_data, settings)
        greet = partial(_greet, settings, listener.getsockname()[1])
        server = create_server(settings, greet, locked=True)
        server.run(sockets=[listener])
    if server.failure is not None:
        raise server.failure


def _check_device(settings: Settings) -> None:
    if settings.device == "cuda":
        from munsit_denoise.engine.device import choose_device

        try:
            choose_device(settings.device)
        except RuntimeError as error:
            raise OSError(errno.ENODEV, str(error), "DENOISE_DEVICE") from None


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen()  # raises an error if the port is in use
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise OSError(error.errno, reason, f"cannot listen on {settings.host}:{settings.port}") from None
    return listener


def _check_room(folder: Path) -> None:
    """Raise OSError, with the folder's name, if nothing can be written there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(os.urandom(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


async def _greet(settings: Settings, port: int) -> None:
    if not _sample(settings).exists():
        write_sample(_sample(settings))
    database = open_database(settings.database)
    try:
        keys = Keys(database)
        first = not settings.is_cluster and not await keys.list()  # with several servers, `keys create` makes it
        key = await keys.create(FIRST_USER) if first else None
        try:
            _tell(settings, port, key)
        except OSError:
            if key is not None:
                await keys.take_back(key)
                log.warning("the first API key could not be shown and is void: munsit-denoise keys create --user NAME")
    finally:
        await database.close()


def _sample(settings: Settings) -> Path:
    return settings.data_dir.absolute() / SAMPLE


def _tell(settings: Settings, port: int, first_key: str | None) -> None:
    """Print the address of the server and how to try it. Raises OSError if nobody can read it."""
    if sys.stdout is None:
        raise BrokenPipeError(errno.EPIPE, "standard output is closed")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    host = USABLE.get(host, host)
    url = settings.public_url or f"http://{host}:{port}"
    key = first_key or HIDDEN_KEY
    typer.echo(f"munsit-denoise on {url}")
    if first_key:
        typer.echo(f"Your API key, shown once: {first_key}")
        typer.echo(f"In the browser, signed in (the part after # is not sent): {url}/#key={first_key}")
    else:
        typer.echo("API keys: munsit-denoise keys list; a new one: munsit-denoise keys create --user NAME")
        typer.echo(f"In the browser: {url}/")
    sample = _sample(settings)
    typer.echo("Try it with the sample, or with any other recording or video:")
    typer.echo(f"  curl -H 'x-api-key: {key}' -F 'audio=@{sample}' {url}/api/v1/denoise")
    typer.echo("Then follow the job; the last event has the URL of the result:")
    typer.echo(f"  curl -N -H 'x-api-key: {key}' {url}/api/v1/denoise/DENOISE_ID/progress")

"""What `munsit-denoise serve` does once the database is ready."""

import errno
import socket

import typer

from munsit_denoise.engine.allocator import keep_freed_memory
from munsit_denoise.media.ffmpeg import program
from munsit_denoise.media.sample import write_sample
from munsit_denoise.server import create_server
from munsit_denoise.settings import Settings

SAMPLE = "sample.wav"
HIDDEN_KEY = "YOUR_KEY"


def run_server(settings: Settings, first_key: str | None) -> None:
    """Serve until a signal ends it. Raises MissingProgram, AlreadyRunning, OSError for a port in use."""
    keep_freed_memory()  # before any thread: each would get a heap of its own
    for name in ("ffmpeg", "ffprobe"):
        program(name)
    _check_device(settings)
    listener = _listen(settings)
    _greet(settings, listener.getsockname()[1], first_key)
    create_server(settings).run(sockets=[listener])


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
    except OSError as error:
        error.filename = f"cannot listen on {settings.host}:{settings.port}"
        raise
    return listener


def _greet(settings: Settings, port: int, first_key: str | None) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = settings.public_url or f"http://{host}:{port}"
    key = first_key or HIDDEN_KEY
    typer.echo(f"munsit-denoise on {url}")
    if first_key:
        typer.echo(f"Your API key, shown once: {first_key}")
    else:
        typer.echo("API keys: munsit-denoise keys list; a new one: munsit-denoise keys create --user NAME")
    sample = settings.data_dir.absolute() / SAMPLE
    if not sample.exists():
        write_sample(sample)
    typer.echo("Try it, with any recording or video in the place of the sample:")
    typer.echo(f"  curl -H 'x-api-key: {key}' -F 'audio=@{sample}' {url}/api/v1/denoise")
    typer.echo("then follow the job and, at the end, fetch the URL that it tells:")
    typer.echo(f"  curl -N -H 'x-api-key: {key}' {url}/api/v1/denoise/DENOISE_ID/progress")

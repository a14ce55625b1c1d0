"""Checks on the packaged recording that ffmpeg and ffprobe can do what the service needs."""

from munsit_denoise.media.confinement import confinement
from munsit_denoise.media.ffmpeg import ProgramLimits, finish, input_options, program
from munsit_denoise.media.formats import FORMATS
from munsit_denoise.media.sample import RECORDING

PATIENCE_S = 15.0


class Unable(Exception):
    """A program lacks a needed ability; the message is a sentence."""


async def try_programs() -> str:
    """Return the version of ffmpeg after the programs have read a recording and listed all needed codecs.

    Raises Unable, MissingProgram, OSError, and what `finish` raises.
    """
    for name in ("ffmpeg", "ffprobe"):
        program(name)
    version = await _run("ffmpeg", ["-hide_banner", "-version"])
    stream = ["-v", "error", *input_options(RECORDING), "-show_entries", "stream=sample_rate", "-of", "csv=p=0"]
    if "16000" not in await _run("ffprobe", stream):
        raise Unable(f"{program('ffprobe')} cannot read a WAV file.")
    await _run("ffmpeg", ["-v", "error", *input_options(RECORDING), "-f", "null", "-"])
    listed = set((await _run("encoder", ["-hide_banner", "-encoders"])).split())
    missing = sorted({codec.encoder for _, codec in FORMATS.values()} - listed)
    if missing:
        raise Unable(f"{program('encoder')} lacks the encoders {', '.join(missing)}.")
    return version.partition(" Copyright")[0]


def unconfined() -> list[str]:
    """Return a sentence for each protection against malicious files that this machine lacks."""
    return confinement().missing


async def _run(name: str, arguments: list[str]) -> str:
    done = await finish(name, arguments, ProgramLimits(), timeout_s=PATIENCE_S, tells=True)
    if done.code:
        raise Unable(f"{program(name)} does not work: it ended with {done.code}.")
    return done.stdout.decode(errors="replace")

"""Encodes a picture again, for a container that cannot hold it unchanged."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import anyio

from munsit_denoise.errors import ProcessingFailed
from munsit_denoise.media.containers import PictureEncoder
from munsit_denoise.media.contents import Stream
from munsit_denoise.media.encode import output_options, write_failure
from munsit_denoise.media.ffmpeg import (
    STALL_TIMEOUT_S,
    Process,
    ProgramLimits,
    input_options,
    raise_if_cut_off,
    running,
)
from munsit_denoise.media.formats import Encoding

Tell = Callable[[float], None]  # the encoded share of a picture, 0 to 1
LIMITS = ProgramLimits(cpu_s=7 * 24 * 3_600, memory_bytes=8 * 2**30, open_files=128)  # also ended without progress
NUT = Encoding("nut", ())
UNKNOWN_RATE_HZ = 25
MAX_RATE_HZ = 120  # a file with more gives the rate of its clock
FILTERS = "setpts=PTS-STARTPTS,pad=ceil(iw/2)*2:ceil(ih/2)*2"  # chroma has half the width and height


async def encode_picture(source: Path, stream: Stream, encoder: PictureEncoder, target: Path, tell: Tell) -> None:
    """Write a file's picture, encoded again, as NUT; its first frame is at time zero.

    Raises ProcessingFailed if it cannot be encoded, StorageFull, Interrupted.
    """
    arguments = ["-v", "quiet", "-nostdin", "-y", "-progress", "pipe:1", "-stats_period", "1"]
    arguments += [*input_options(source), "-map", f"0:{stream.index}", "-vf", FILTERS]
    arguments += ["-c:v", encoder.name, *encoder.options, *_rate_options(stream, encoder)]
    arguments += output_options(target, NUT)
    async with running("ffmpeg", arguments, LIMITS) as process:
        await _follow(process, tell)
        with anyio.fail_after(STALL_TIMEOUT_S):
            code = await process.wait()
    raise_if_cut_off(code)
    if code != 0:
        raise write_failure(target)


async def _follow(process: Process, tell: Tell) -> None:
    """Report the encoded seconds until the program ends. Raises ProcessingFailed if it makes no progress."""
    rest, done_us = b"", -1
    moved_at_s = anyio.current_time()
    while True:
        try:
            with anyio.fail_after(STALL_TIMEOUT_S):
                *lines, rest = (rest + await process.stream.receive()).split(b"\n")
        except anyio.EndOfStream:
            return
        except TimeoutError:
            raise ProcessingFailed("The picture could not be encoded: the encoder stood still.") from None
        for line in lines:
            name, _, value = line.partition(b"=")
            if name in (b"out_time_us", b"frame") and value.strip().isdigit() and int(value) > done_us:
                moved_at_s = anyio.current_time()
            if name == b"out_time_us" and value.strip().isdigit():
                done_us = int(value)
                tell(done_us / 1e6)
        if anyio.current_time() - moved_at_s > STALL_TIMEOUT_S:
            raise ProcessingFailed("The picture could not be encoded: the encoder stood still.")


def _rate_options(stream: Stream, encoder: PictureEncoder) -> list[str]:
    """Return the options for the original frame times, or for the nearest rate that the format has."""
    if not encoder.rates_hz:
        return ["-fps_mode", "passthrough", "-enc_time_base", "-1"]
    own_hz = stream.frames_per_second if 0 < stream.frames_per_second <= MAX_RATE_HZ else UNKNOWN_RATE_HZ
    if encoder.rates_hz == ("any",):
        return ["-fps_mode", "cfr", "-r", str(Fraction(own_hz).limit_denominator(1_001))]
    return ["-fps_mode", "cfr", "-r", min(encoder.rates_hz, key=lambda rate: abs(Fraction(rate) - Fraction(own_hz)))]

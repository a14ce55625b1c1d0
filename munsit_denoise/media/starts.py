"""Finds out which streams of a file a player can decode, and when they start."""

from fractions import Fraction
from pathlib import Path

from munsit_denoise.media.ffmpeg import ProgramLimits, finish, input_options

FRAMES = {"V": ("-frames:v", "25", "-fps_mode", "passthrough", "-enc_time_base", "-1"), "a": ("-frames:a", "50")}
LIMITS = ProgramLimits(cpu_s=300, memory_bytes=4 * 2**30, open_files=128)
TIMEOUT_S = 300


async def picture_start_s(path: Path) -> float | None:
    """Return when the first frame is shown, on the file's own clock; None if none can be decoded.

    Decodes about a second. Raises Interrupted.
    """
    return await _first(path, "V", 0)


async def sound_start_s(path: Path, index: int) -> float | None:
    """Return when the first sample of an audio track is heard, like `picture_start_s`."""
    return await _first(path, "a", index)


async def _first(path: Path, kind: str, index: int) -> float | None:
    arguments = ["-v", "quiet", "-nostdin", "-threads", "1", "-copyts", *input_options(path)]
    arguments += ["-map", f"0:{kind}:{index}", *FRAMES[kind], "-f", "framehash", "-hash", "adler32", "pipe:1"]
    done = await finish("ffmpeg", arguments, LIMITS, timeout_s=TIMEOUT_S)
    base = Fraction(0)
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith("#tb 0: "):
            base = Fraction(line.removeprefix("#tb 0: "))
        elif not line.startswith("#"):
            return float(int(line.split(",")[2]) * base)
    return None

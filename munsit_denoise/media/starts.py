"""What a player finds in a file: which of its streams can be decoded, and when they begin."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from munsit_denoise.media.ffmpeg import Limits, finish, input_options

FRAMES = ("-frames:v", "25", "-frames:a", "50")  # about the first second
LIMITS = Limits(cpu_s=300, memory_bytes=4 * 2**30, open_files=128)
TIMEOUT_S = 300


@dataclass(frozen=True)
class Starts:
    """When the first frame of the picture and of a sound track comes, on the file's own clock; None: it never does."""

    picture_s: float | None
    sound_s: float | None


async def first_frames(path: Path, sound_index: int | None) -> Starts:
    """Decode about a second of a file's picture and of one of its sound tracks, if one is asked for.

    Raises Interrupted.
    """
    arguments = ["-v", "quiet", "-nostdin", "-threads", "1", "-copyts", *input_options(path), "-map", "0:V:0?"]
    arguments += [] if sound_index is None else ["-map", f"0:a:{sound_index}?"]
    arguments += [*FRAMES, "-fps_mode", "passthrough", "-f", "framehash", "-hash", "adler32", "pipe:1"]
    done = await finish("ffmpeg", arguments, LIMITS, timeout_s=TIMEOUT_S)
    return _starts(done.stdout.decode(errors="replace").splitlines())


def _starts(lines: list[str]) -> Starts:
    bases: dict[int, Fraction] = {}
    kinds: dict[int, str] = {}
    first: dict[str, float] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        word, _, number = name.partition(" ")
        if word == "#tb":
            bases[int(number)] = Fraction(value)
        elif word == "#media_type":
            kinds[int(number)] = value
        elif not line.startswith("#"):
            stream, _, pts = (int(field) for field in line.split(",")[:3])
            first.setdefault(kinds[stream], float(pts * bases[stream]))
    return Starts(first.get("video"), first.get("audio"))

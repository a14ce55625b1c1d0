"""Estimates the disk space of a result before its job is accepted."""

import re
from math import ceil

from munsit_denoise.media.formats import WITH_PICTURE, encoding_for
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.records import Options

FLOAT_BYTES = 4
LOSSY_BYTES_PER_S = 40_000  # per channel, by quality; more than any lossy encoder needs
HEADER_BYTES = 64 * 1024


def needed_bytes(track: AudioTrack, options: Options, source_bytes: int) -> int:
    """Return the largest space that a result needs while it is made, including the sound before the last step.

    A picture counts as large as the source, because it is copied, or encoded to about the same size.
    """
    extension = options.extension or "wav"
    has_picture = track.has_picture and extension in WITH_PICTURE
    needed = HEADER_BYTES + ceil(track.duration_s * _bytes_per_s(track, extension))
    if has_picture or options.level_lufs is not None:
        needed += ceil(track.duration_s * track.sample_rate_hz * track.channels * FLOAT_BYTES)
    return needed + (source_bytes if has_picture else 0)


def _bytes_per_s(track: AudioTrack, extension: str) -> float:
    given = encoding_for(extension, track).options
    options = dict(zip(given[::2], given[1::2], strict=False))
    codec, rate_hz = options["-c:a:0"], int(options.get("-ar:a:0", track.sample_rate_hz))
    if "-b:a:0" in options:
        return int(options["-b:a:0"]) / 8
    if codec.startswith("pcm_") or codec == "flac":
        bits = re.search(r"\d+", codec)
        sample_bytes = int(bits[0]) / 8 if bits else 3 if "-bits_per_raw_sample:a:0" in options else 2
        return rate_hz * track.channels * sample_bytes
    return track.channels * min(LOSSY_BYTES_PER_S, rate_hz * FLOAT_BYTES)

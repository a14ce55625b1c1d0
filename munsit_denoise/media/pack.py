"""The tiles of both sounds of a job in one file, whose parts can be read separately."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.tiles import COLUMNS, DB_A_STEP, FLOOR_DB, GREY_A_STEP, STEP, Picture

MAGIC = b"MDT1"  # followed by the length of the index in four bytes, the index as JSON, and the parts
HEAD_BYTES = 8
SOUNDS = ("before", "after")
MOST_INDEX_BYTES = 4 * 2**20


@dataclass(frozen=True)
class PackedPart:
    """Position of a part, counted from the end of the index."""

    start: int
    size: int


def pack(pictures: Sequence[Picture], track: AudioTrack, room_bytes: int) -> bytes:
    """Return the file; if it would be too large, without its finest levels."""
    for coarser in range(8):
        packed = _packed(pictures, track, coarser)
        if len(packed) <= room_bytes:
            break
    return packed


def _packed(pictures: Sequence[Picture], track: AudioTrack, coarser: int) -> bytes:
    index: dict[str, Any] = {
        "version": 1,
        "duration_s": track.duration_s,
        "sample_rate_hz": track.sample_rate_hz,
        "tile_columns": COLUMNS,
        "grey_floor_db": FLOOR_DB,
        "db_per_grey": DB_A_STEP / GREY_A_STEP,
        "rows_hz": [round((int(edge) + 1) * pictures[0].bin_hz, 1) for edge in pictures[0].edges],
    }
    parts: list[bytes] = []
    for sound, picture in zip(SOUNDS, pictures, strict=True):
        images, peaks = picture.tiles(), picture.peaks()
        first, first_peaks = min(coarser, len(images) - 1), min(coarser // 2, len(peaks) - 1)
        index[sound] = {
            "spectrogram": [
                {
                    "columns_per_second": picture.columns_hz / STEP**level,
                    "tiles": len(images[level]),
                    "bytes": [len(image) for image in images[level]],
                }
                for level in range(first, len(images))
            ],
            "peaks": [
                {
                    "peaks_per_second": picture.peaks_hz / STEP**level,
                    "count": len(peaks[level]) // 2,
                    "bytes": [len(peaks[level])],
                }
                for level in range(first_peaks, len(peaks))
            ],
        }
        parts += [image for level in images[first:] for image in level] + peaks[first_peaks:]
    told = json.dumps(index, separators=(",", ":")).encode()
    return b"".join([MAGIC, struct.pack("<I", len(told)), told, *parts])


def index_bytes(head: bytes) -> int:
    """Return the length of the index from the first bytes of a file. Raises ValueError for another file."""
    if len(head) != HEAD_BYTES or head[:4] != MAGIC:
        raise ValueError("no file of pictures")
    size: int = struct.unpack("<I", head[4:])[0]
    if size > MOST_INDEX_BYTES:
        raise ValueError("no index is so long")
    return size


def told(index: dict[str, Any]) -> dict[str, Any]:
    """Return an index without the fields that only the file needs."""
    shown = dict(index)
    for sound in SOUNDS:
        levels = index[sound]
        shown[sound] = {
            kind: [{name: value for name, value in level.items() if name != "bytes"} for level in levels[kind]]
            for kind in levels
        }
    return shown


def part_of(index: dict[str, Any], sound: str, kind: str, level: int, number: int) -> PackedPart | None:
    """Return the position of a tile, or of a level's peaks; None if there is none."""
    start = 0
    for each_sound in SOUNDS:
        for each_kind in ("spectrogram", "peaks"):
            for each_level, found in enumerate(index[each_sound][each_kind]):
                for each_number, size in enumerate(found["bytes"]):
                    if (each_sound, each_kind, each_level, each_number) == (sound, kind, level, number):
                        return PackedPart(start, size)
                    start += size
    return None

"""Copies the chunks of a WAV besides its samples: bext, iXML, markers and similar.

EBU Tech 3285 (bext), Tech 3306 (RF64), Microsoft's Multimedia Programming Interface 1.0 (RIFF).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

# Not copied: fmt, fact, data, ds64, PEAK, levl, JUNK and similar, which describe the samples or the layout of the file.
OF_PRODUCTION = (
    b"bext",
    b"iXML",
    b"axml",
    b"aXML",
    b"chna",
    b"_PMX",
    b"umid",
    b"link",
    b"SMED",
    b"minf",
    b"elm1",
    b"regn",
)
OF_PLAYING = (
    b"LIST",
    b"cue ",
    b"plst",
    b"smpl",
    b"inst",
    b"acid",
    b"cart",
    b"id3 ",
    b"ID3 ",
    b"afsp",
    b"DISP",
    b"strc",
)
KEPT = frozenset({*OF_PRODUCTION, *OF_PLAYING})
MAX_KEPT_BYTES = 64 * 2**20  # of all chunks
MAX_CHUNKS = 1_000
BEXT_LOUDNESS = slice(412, 422)  # of version 2: five figures, which do not apply to other samples
BEXT_VERSION = slice(346, 348)
SILENT = 10 ** (-50 / 20)  # quieter sound counts as silence
NOT_TOLD = struct.pack("<h", 0x7FFF) * 5


def copy_chunks(source: Path, target: Path) -> bool:
    """Append a WAV's chunks to another WAV that has only samples; return whether there was one to append."""
    with source.open("rb") as file:
        kept, size = [], 0
        for name, chunk_size in read_chunks(file):
            size += chunk_size
            if name in KEPT and size <= MAX_KEPT_BYTES:
                kept.append((name, file.read(chunk_size)))
            elif name in KEPT:
                break
            else:
                size -= chunk_size
    if kept:
        with target.open("r+b") as file:
            _append(file, b"".join(_chunk(name, _true(name, data)) for name, data in kept))
    return bool(kept)


def _true(name: bytes, data: bytes) -> bytes:
    """Return a chunk without the source's loudness."""
    if name != b"bext" or len(data) < BEXT_LOUDNESS.stop or data[BEXT_VERSION] < b"\2\0":
        return data
    return data[: BEXT_LOUDNESS.start] + NOT_TOLD + data[BEXT_LOUDNESS.stop :]


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def read_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield name and size of each chunk, with the file positioned at its first byte."""
    if file.read(12)[8:] != b"WAVE":
        return
    end, at, long_data = file.seek(0, 2), 12, 0
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            return
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name == b"ds64":
            long_data = int.from_bytes(file.read(16)[8:], "little")
            file.seek(at + 8)
        if name == b"data" and size == 0xFFFFFFFF:
            size = long_data
        if at + 8 + size > end:
            return
        yield name, size
        at += 8 + size + size % 2


def _append(file: BinaryIO, data: bytes) -> None:
    start = file.read(20)
    end = file.seek(0, 2)
    file.write(b"\0" * (end % 2) + data)
    size = file.tell() - 8
    if start[:4] == b"RF64" and start[12:16] == b"ds64":
        file.seek(20)
        file.write(struct.pack("<Q", size))
    elif size < 2**32 - 1:
        file.seek(4)
        file.write(struct.pack("<I", size))
    else:  # an ordinary WAV is too small for them
        file.truncate(end)


def is_silent(path: Path, start_s: float, duration_s: float) -> bool:
    """Return whether a part of our own 32-bit float WAV is silent."""
    with path.open("rb") as file:
        frame_bytes = rate_hz = 0
        for name, _ in read_chunks(file):
            if name == b"fmt ":
                _, channels, rate_hz = struct.unpack("<HHI", file.read(8))
                frame_bytes = 4 * channels
            elif name == b"data" and frame_bytes:
                file.seek(int(start_s * rate_hz) * frame_bytes, 1)
                data = np.frombuffer(file.read(int(duration_s * rate_hz) * frame_bytes), "<f4")
                return bool(np.abs(data).max(initial=0) < SILENT)
    return False

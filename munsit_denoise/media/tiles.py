"""Pictures of a sound at several zoom levels, made while its frames pass: waveform peaks and spectrogram images.

`docs/tiles.md` has the format.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munsit_denoise.media.meter import FRAMES_A_SECOND

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
ROWS = 96  # of a spectrogram; fewer if the lowest row would be narrower than a bin
COLUMNS = 256  # in a tile
STEP = 4  # each level has a quarter of the columns and peaks of the one before
LEVELS = 8
FLOOR_DB, DB_A_STEP, GREY_A_STEP = -110, 2, 4  # grey 0 is FLOOR_DB, and each step of 2 dB is 4 levels lighter
LEAST_BYTES, MOST_BYTES = 16 * 2**10, 8 * 2**20  # for all pictures of a job
SHARE = 0.02  # of the original's size, within these limits
MEAN_SHARE = 0.35  # typical size of a compressed tile, relative to its raw size
# Columns and peaks per second, the finest first; a frame has up to five peaks.
FINENESSES = ((20.0, 100.0), (10.0, 100.0), (10.0, 20.0), (5.0, 20.0), (2.5, 20.0), (1.25, 5.0), (0.625, 2.5))


@dataclass(frozen=True)
class Fineness:
    """Columns and peaks per second of the finest level."""

    columns_hz: float
    peaks_hz: float


def fineness_for(original_bytes: int, duration_s: float) -> Fineness:
    """Return the resolution that fits into a fiftieth of the original's size, for both sounds."""
    most = room_bytes(original_bytes) / 2 / max(duration_s, 1.0) * (STEP - 1) / STEP
    for columns_hz, peaks_hz in FINENESSES:
        if columns_hz * ROWS * MEAN_SHARE + 2 * peaks_hz <= most:
            return Fineness(columns_hz, peaks_hz)
    return Fineness(*FINENESSES[-1])


def room_bytes(original_bytes: int) -> int:
    """Return the size limit for all pictures of a job."""
    return int(min(max(SHARE * original_bytes, LEAST_BYTES), MOST_BYTES))


@dataclass
class Level:
    """One zoom level of a picture: finished tiles, and columns that are not complete yet."""

    columns: list[Bytes]  # [columns, rows] each
    tiles: list[bytes]  # PNG
    waiting: int = 0


class Picture:
    """Makes peaks and tiles from a sound's frames, which a `Meter` provides."""

    def __init__(self, size: int, rate_hz: int, fineness: Fineness) -> None:
        self._size, self.fineness, self.rate_hz = size, fineness, rate_hz
        self._frames = max(round(FRAMES_A_SECOND / fineness.columns_hz), 1)  # per column
        self._peaks = max(round(fineness.peaks_hz / FRAMES_A_SECOND), 1)  # per frame
        self._peak_frames = max(round(FRAMES_A_SECOND / fineness.peaks_hz), 1)  # per peak, if more than one
        self.edges = _edges(size, rate_hz)  # bins
        self._scale = 8 / 3 / size**2  # makes a sine at full scale 1, after a Hann window
        self._waiting: Floats = np.zeros((0, len(self.edges) - 1), np.float32)
        self._lows: list[Floats] = []
        self._highs: list[Floats] = []
        self.levels = [Level([], []) for _ in range(LEVELS)]

    def take(self, spectrum: NDArray[np.complex64], channels: Floats) -> None:
        """Take frames: spectra [channels, frames, bins] and their samples [channels, frames x size]."""
        self._take_peaks(channels)
        smooth = spectrum[..., 1:-1] - 0.5 * (spectrum[..., :-2] + spectrum[..., 2:])  # a Hann window, times two
        parts = smooth.view(np.float32)
        power = np.square(parts[0]) if len(parts) == 1 else np.square(parts).mean(axis=0)  # [frames, 2 bins]
        bands = np.maximum(np.add.reduceat(power, 2 * self.edges[:-1], axis=1), 1e-20)
        self._waiting = np.concatenate([self._waiting, bands])
        whole = len(self._waiting) // self._frames * self._frames
        self._put(self._waiting[:whole])
        self._waiting = self._waiting[whole:]

    def end(self) -> None:
        """Finish each level with its remaining columns."""
        if len(self._waiting):
            self._put(self._waiting, whole=False)
        for number, level in enumerate(self.levels):
            self._close(number, level)

    def peaks(self) -> list[bytes]:
        """Return, for each level, the lowest and highest sample of each stretch as two signed bytes."""
        low, high = (np.concatenate(each) if each else np.zeros(0, np.float32) for each in (self._lows, self._highs))
        low, high = _reduced(low, np.minimum, self._peak_frames), _reduced(high, np.maximum, self._peak_frames)
        found = []
        for _ in range(LEVELS):
            pairs = np.stack([low, high], axis=1)
            found.append(np.clip(np.round(pairs * 127), -127, 127).astype(np.int8).tobytes())
            if len(low) <= COLUMNS:
                break
            low, high = (_reduced(low, np.minimum, STEP), _reduced(high, np.maximum, STEP))
        return found

    def tiles(self) -> list[list[bytes]]:
        """Return, for each level, the images of a spectrogram in order; the last level has one."""
        found: list[list[bytes]] = []
        for level in self.levels:
            found.append(level.tiles)
            if len(level.tiles) <= 1:
                break
        return found

    @property
    def bin_hz(self) -> float:
        """The distance between bins, in which the edges are counted."""
        return self.rate_hz / self._size

    @property
    def columns_hz(self) -> float:
        """Columns per second of the finest level."""
        return self.rate_hz / self._size / self._frames

    @property
    def peaks_hz(self) -> float:
        """Peaks per second of the finest level."""
        return self.rate_hz / self._size * self._peaks / self._peak_frames

    def _take_peaks(self, channels: Floats) -> None:
        frames = channels.shape[1] // self._size
        one = len(channels) == 1
        low, high = (channels[0], channels[0]) if one else (channels.min(axis=0), channels.max(axis=0))
        if self._peaks > 1 and self._size % self._peaks == 0:
            low, high = low.reshape(frames * self._peaks, -1).min(axis=1), high.reshape(frames * self._peaks, -1).max(1)
        elif self._peaks > 1:
            starts = (np.arange(frames)[:, None] * self._size + self._starts()).reshape(-1)
            low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
        else:
            low, high = low.reshape(frames, -1).min(axis=1), high.reshape(frames, -1).max(axis=1)
        self._lows.append(low)
        self._highs.append(high)

    def _starts(self) -> NDArray[np.intp]:
        return np.arange(self._peaks) * self._size // self._peaks

    def _put(self, bands: Floats, *, whole: bool = True) -> None:
        if not len(bands):
            return
        size = self._frames if whole else len(bands)
        power = bands.reshape(-1, size, bands.shape[1]).mean(axis=1) * self._scale
        steps = np.round((10 * np.log10(power) - FLOOR_DB) / DB_A_STEP)
        self._add(0, (np.clip(steps, 0, 255 // GREY_A_STEP) * GREY_A_STEP).astype(np.uint8))

    def _add(self, number: int, columns: Bytes) -> None:
        if number >= LEVELS:
            return
        level = self.levels[number]
        level.columns.append(columns)
        level.waiting += len(columns)
        if level.waiting < COLUMNS:
            return
        joined = np.concatenate(level.columns)
        whole = len(joined) // COLUMNS * COLUMNS
        for start in range(0, whole, COLUMNS):
            level.tiles.append(png(joined[start : start + COLUMNS].T[::-1]))
        level.columns, level.waiting = [joined[whole:]], len(joined) - whole
        self._add(number + 1, _reduced(joined[:whole], np.maximum, STEP))

    def _close(self, number: int, level: Level) -> None:
        rest = np.concatenate(level.columns) if level.columns else np.zeros((0, 1), np.uint8)
        if len(rest):
            level.tiles.append(png(rest.T[::-1]))
            if len(level.tiles) > 1:
                self._add(number + 1, _reduced(rest, np.maximum, STEP))


def _reduced(values: NDArray[Any], take: np.ufunc, size: int) -> NDArray[Any]:
    """Reduce each `size` values to one, and the remaining ones at the end too."""
    return np.asarray(take.reduceat(values, np.arange(0, len(values), size), axis=0)) if len(values) else values


def _edges(size: int, rate_hz: int) -> NDArray[np.intp]:
    """Return the first bin of each row and the end of the last; rows are equal in mel (2595 log10(1 + f/700))."""
    highest = rate_hz / 2
    mels = np.linspace(0, 2_595 * np.log10(1 + highest / 700), ROWS + 1)
    bins = np.round(700 * (10 ** (mels / 2_595) - 1) / rate_hz * size).astype(np.intp)
    return np.unique(np.clip(bins, 0, max(size // 2 - 1, 1)))


def png(image: Bytes) -> bytes:
    """Return an image [rows, columns] of 8-bit grey as PNG (RFC 2083)."""
    rows, columns = image.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), image], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 4)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

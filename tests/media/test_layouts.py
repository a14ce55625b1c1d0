"""Channels: every layout, unknown masks and discrete channels come back one by one, in their order."""

import asyncio
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from munsit_denoise.media.decode import decoding
from munsit_denoise.media.encode import encoding_to
from munsit_denoise.media.formats import encoding_for
from munsit_denoise.media.layouts import STANDARD
from munsit_denoise.media.probe import AudioTrack, probe

pytestmark = pytest.mark.anyio
RATE_HZ = 48_000
SECONDS = 0.15
EXTENSIONS = ("wav", "flac", "ogg", "opus", "m4a", "ac3", "mka")
LOW_HZ = 60  # where low frequency channels still sound
OLD = [name for name in STANDARD if not any(digit in name for digit in (".1.", ".2.", "9.", "7.2", "cube"))]
RARE = ["BL+BR", "FL+LFE", "FL+FR+FC+LFE+BL+BR+FLC", None]


def tones(track: AudioTrack) -> NDArray[np.float32]:
    """Return a tone of its own for each channel."""
    names = STANDARD.get(track.layout or "", track.layout or "").split("+")
    hertz = [LOW_HZ if name.startswith("LFE") else 300 + 60 * number for number, name in enumerate(names)]
    hertz = hertz if track.layout else [300 + 60 * number for number in range(track.channels)]
    t = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    levels = 0.2 + 0.1 * (np.arange(track.channels) % 2)  # two low channels are told apart
    return np.stack([a * np.sin(2 * np.pi * f * t) for a, f in zip(levels, hertz, strict=True)], 1).astype(np.float32)


def track_of(layout: str | None, channels: int = 6) -> AudioTrack:
    count = STANDARD.get(layout, layout).count("+") + 1 if layout else channels
    return AudioTrack(RATE_HZ, count, layout, "pcm_s16le", 16, False, SECONDS, "wav")


async def write(track: AudioTrack, folder: Path, extensions: tuple[str, ...] = EXTENSIONS) -> dict[str, Path]:
    """Write a track in some formats, all at once."""
    block, paths = tones(track), {extension: folder / f"a.{extension}" for extension in extensions}

    async def one(path: Path) -> None:
        async with encoding_to(path, track, encoding_for(path.suffix[1:], track)) as encoder:
            await encoder.write(block)

    await asyncio.gather(*map(one, paths.values()))
    return paths


def raw(paths: dict[str, Path]) -> dict[str, NDArray[np.float32]]:
    """Return what ffmpeg makes of files by itself, its samples side by side."""
    inputs, outputs = [], []
    for number, path in enumerate(paths.values()):
        inputs += ["-guess_layout_max", "0", "-i", str(path)]
        outputs += ["-map", f"{number}:a:0", "-f", "f32le", "-c:a", "pcm_f32le", f"{path}.raw"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *outputs], check=True)
    return {extension: np.fromfile(f"{path}.raw", "<f4") for extension, path in paths.items()}


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much the spectrum of each channel of one is that of each channel of the other."""
    length = min(len(one), len(other))
    a, b = (np.abs(np.fft.rfft(x[:length], axis=0)) for x in (one, other))
    found: NDArray[np.float64] = (a / np.linalg.norm(a, axis=0)).T @ (b / np.linalg.norm(b, axis=0))
    return found


@pytest.mark.parametrize("layout", [*OLD, *RARE], ids=str)
async def test_every_layout_goes_through_every_format(layout: str | None, tmp_path: Path) -> None:
    track = track_of(layout)
    paths = await write(track, tmp_path)
    for extension, samples in raw(paths).items():
        kept = samples.size / track.channels / RATE_HZ > SECONDS * 0.95
        if not kept:  # nothing but fewer channels explains fewer samples
            assert (extension, track.channels > 5) in (("ac3", True), ("flac", track.channels > 8), ("m4a", True))
            continue
        found = likeness(tones(track), samples.reshape(-1, track.channels))
        assert np.diag(found).min() > 0.9, extension
    wav = await probe(paths["wav"])
    assert (wav.channels, wav.layout) == (track.channels, layout if fits_a_mask(layout) else None)
    async with decoding(paths["wav"], wav) as blocks:
        found = np.concatenate([block async for block in blocks])
    assert np.abs(found - tones(track)).max() < 2**-14


def fits_a_mask(layout: str | None) -> bool:
    return layout not in ("mono", "stereo", "hexadecagonal", "downmix", "22.2", None)

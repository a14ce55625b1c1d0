"""Channels: every layout, unknown masks and discrete channels come back one by one, in their order."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from munsit_denoise.media.decode import decoding
from munsit_denoise.media.encode import encoding_to
from munsit_denoise.media.formats import encoding_for
from munsit_denoise.media.layouts import STANDARD, plain_layout
from munsit_denoise.media.probe import AudioTrack, probe
from tests.audio import ffmpeg

pytestmark = pytest.mark.anyio
RATE_HZ = 48_000
SECONDS = 0.12
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
    ffmpeg(*inputs, *outputs)
    return {extension: np.fromfile(f"{path}.raw", "<f4") for extension, path in paths.items()}


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much the spectrum of each channel of one is that of each channel of the other."""
    length = min(len(one), len(other))
    a, b = (np.abs(np.fft.rfft(x[:length], axis=0)) for x in (one, other))
    found: NDArray[np.float64] = (a / np.linalg.norm(a, axis=0)).T @ (b / np.linalg.norm(b, axis=0))
    return found


@pytest.mark.parametrize("group", range(3))
async def test_every_layout_goes_through_every_format(group: int, tmp_path: Path) -> None:
    tracks = [track_of(layout) for layout in [*OLD, *RARE][group::3]]
    paths = {}
    for number, track in enumerate(tracks):
        (tmp_path / str(number)).mkdir()
        written = await write(track, tmp_path / str(number))
        paths |= {f"{number} {extension}": path for extension, path in written.items()}
    for name, samples in raw(paths).items():
        track, extension = tracks[int(name.split()[0])], name.split()[1]
        if samples.size / track.channels / RATE_HZ < SECONDS * 0.95:  # nothing but fewer channels explains it
            assert (extension, track.channels > 5) in (("ac3", True), ("flac", track.channels > 8), ("m4a", True))
            continue
        found = likeness(tones(track), samples.reshape(-1, track.channels))
        assert np.diag(found).min() > 0.9, (track.layout, extension)


@pytest.mark.parametrize("layout", ["quad", "6.1(front)", "22.2", "FL+LFE", None], ids=str)
async def test_a_wav_says_what_its_channels_are(layout: str | None, tmp_path: Path) -> None:
    track = track_of(layout)
    path = (await write(track, tmp_path, ("wav",)))["wav"]
    wav = await probe(path)
    assert (wav.channels, wav.layout) == (track.channels, layout if fits_a_mask(layout) else None)
    async with decoding(path, wav) as blocks:
        found = np.concatenate([block async for block in blocks])
    assert np.abs(found - tones(track)).max() < 2**-14


def fits_a_mask(layout: str | None) -> bool:
    return layout not in ("22.2", None)


@pytest.mark.parametrize("layout", ["7.1", "4.0"])
async def test_what_an_mp3_does_not_hold_is_folded_as_ffmpeg_does(layout: str, tmp_path: Path) -> None:
    track = track_of(layout)
    await write(track, tmp_path, ("wav", "avi", "mp3"))
    fold = ["-i", tmp_path / "a.wav", "-af", "aresample=osf=s16,aformat=channel_layouts=stereo"]
    wanted = np.frombuffer(ffmpeg(*fold, "-f", "s16le", "-"), "<i2").reshape(-1, 2) / 2**15
    found = raw({"mp3": tmp_path / "a.mp3"})["mp3"].reshape(-1, 2)
    assert np.diag(likeness(wanted.astype(np.float32), found)).min() > 0.97
    assert found.std(axis=0) == pytest.approx(wanted.std(axis=0), rel=0.12)
    assert (await probe(tmp_path / "a.avi")).channels == track.channels - 2 * (layout == "7.1")  # as AC3


async def test_discrete_channels_become_their_mean(tmp_path: Path) -> None:
    track = track_of(None, 12)
    await write(track, tmp_path, ("mp3", "webm"))
    found = raw({"mp3": tmp_path / "a.mp3"})["mp3"]
    wanted = tones(track).mean(axis=1)
    assert np.diag(likeness(wanted[:, None], found[:, None])).min() > 0.97
    assert (await probe(tmp_path / "a.webm")).channels == 12


@pytest.mark.parametrize(
    ("told", "plain"), [("2 channels (BL+BR)", "BL+BR"), ("unknown", None), ("5.1(side)", "5.1(side)")]
)
def test_layouts_as_any_ffmpeg_tells_them(told: str, plain: str | None) -> None:
    assert plain_layout(told) == plain
    assert plain_layout("4 channels") is None
    assert plain_layout("FL+FR+LFE2") == "FL+FR+LFE2"
    assert plain_layout(None) is None


@pytest.mark.parametrize("extension", ["mp3", "m4a", "opus", "wav"])
async def test_what_is_far_above_full_scale_spoils_nothing_else(extension: str, tmp_path: Path) -> None:
    track = AudioTrack(RATE_HZ, 1, "mono", "pcm_f32le", 32, True, SECONDS, "wav")
    block = tones(track)
    block[100] = 3e38
    async with encoding_to(tmp_path / f"a.{extension}", track, encoding_for(extension, track)) as encoder:
        await encoder.write(block)
    found = raw({extension: tmp_path / f"a.{extension}"})[extension]
    assert np.isfinite(found).all()
    assert np.diag(likeness(block[2_000:], found[2_000 : len(block), None])).min() > 0.95

"""The package as programs use it: arrays, blocks and files; the examples of its documentation."""

import doctest
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile

import munsit_denoise
from munsit_denoise import DenoiseError, Denoiser, api, enhance, enhance_file
from tests.audio import hiss, voice, write_noisy

RATE_HZ = 8_000
NOISY = voice(0.5, RATE_HZ) + hiss(RATE_HZ // 2)
EXAMPLES = Path(__file__).parent.parent / "docs" / "python.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    write_noisy(tmp_path / "noisy.wav", 0.5, RATE_HZ, channels=2, subtype="PCM_16")
    return tmp_path


def test_the_examples_are_right(folder: Path) -> None:
    assert doctest.testmod(api).failed == 0
    (folder / "clean.flac").unlink()
    found = doctest.testfile(str(EXAMPLES), module_relative=False)
    assert found.failed == 0
    assert found.attempted > 8


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, munsit_denoise; assert not {'torch', 'numpy'} & {*sys.modules}; munsit_denoise.Denoiser; "
    code += "assert 'torch' not in sys.modules; print(*dir(munsit_denoise))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(munsit_denoise.__all__) <= set(done.stdout.split())


def test_unknown_names_are_told() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'denoise'"):
        munsit_denoise.denoise  # noqa: B018
    assert (resources.files("munsit_denoise") / "py.typed").is_file()


@pytest.mark.parametrize(
    ("dtype", "scale", "middle"),
    [
        *[("f2", 1, 0), ("f8", 1, 0), (">f4", 1, 0), ("i1", 2**7, 0), ("u1", 2**7, 2**7), (">i2", 2**15, 0)],
        *[("u2", 2**15, 2**15), ("i4", 2**31, 0), ("i8", 2.0**63, 0)],
    ],
)
def test_every_type_of_number_means_the_same_sound(dtype: str, scale: float, middle: float) -> None:
    exact = np.round(NOISY * 100) / 128  # what eight bits hold
    array = (exact * scale + middle).astype(dtype)
    assert np.array_equal(enhance(array, RATE_HZ, strength=0), exact.astype(np.float32))


@pytest.mark.parametrize("channels", [None, 1, 2, 3])
def test_the_shape_stays(channels: int | None) -> None:
    array = NOISY if channels is None else np.stack([NOISY] * channels, axis=1)
    clean = enhance(array, RATE_HZ)
    assert clean.shape == array.shape
    assert clean.dtype == np.float32
    assert 0 < np.std(clean) < np.std(array)
    assert np.array_equal(NOISY, voice(0.5, RATE_HZ) + hiss(RATE_HZ // 2))  # the caller's own stays as it was


def test_music_stays_where_it_is_asked_for() -> None:
    t = np.arange(3 * RATE_HZ) / RATE_HZ
    tune = 0.1 * np.sin(2 * np.pi * np.cumsum(400.0 * 2 ** ((5 * t).astype(int) % 3 / 4)) / RATE_HZ)
    noisy = tune + hiss(len(tune), rms=0.003)
    kept = [float(tune @ enhance(noisy, RATE_HZ, keep=keep) / (tune @ tune)) for keep in ("voice", "voice+music")]
    assert kept[0] < 0.5
    assert kept[1] == pytest.approx(1, abs=0.1)


def test_a_dry_voice_lacks_the_room_and_stays_itself() -> None:
    dry = np.concatenate([voice(2, 16_000), np.zeros(8_000, np.float32)])
    t = np.arange(12_800) / 16_000
    tail = np.random.default_rng(0).standard_normal(len(t)) * 10 ** (-3 * t / 0.8) * (t > 0.05)
    late = np.convolve(dry, tail / np.sqrt(np.square(tail).sum()))[: len(dry)].astype(np.float32)
    kept, removed = (enhance(dry + late, 16_000, keep=keep) for keep in ("voice", "dry-voice"))
    echo = slice(29_500, None)  # the voice has ended
    assert np.std(kept[echo]) > 0.9 * np.std(late[echo])
    assert np.std(removed[echo]) < 0.4 * np.std(late[echo])
    assert np.std(removed - dry) < 0.7 * np.std(late)
    assert 0.7 < float(dry @ removed / (dry @ dry)) < 1.1


def test_blocks_are_the_whole() -> None:
    denoiser = Denoiser(RATE_HZ, channels=1)
    parts = [denoiser.feed(block) for block in np.array_split(NOISY, 7)]
    assert np.array_equal(np.concatenate([*parts, denoiser.flush()]), enhance(NOISY, RATE_HZ))
    with pytest.raises(ValueError, match="ended"):
        denoiser.feed(NOISY)
    assert enhance(NOISY[:0], RATE_HZ).shape == (0,)


@pytest.mark.parametrize(
    ("block", "error", "match"),
    [
        ([0.0, 0.1], TypeError, "numpy array"),
        (np.zeros(5, complex), TypeError, "complex128"),
        (np.zeros(5, bool), TypeError, "bool"),
        (np.array(["a"]), TypeError, "real numbers"),
        (np.array([None]), TypeError, "real numbers"),
        (np.zeros(()), ValueError, r"\[frames\]"),
        (np.zeros((5, 1, 2)), ValueError, r"\[5, 1, 2\]"),
        (np.zeros(5), ValueError, r"\[frames, 2\]"),
        (np.zeros((2, 5)), ValueError, r"\[2, 5\]"),
        (np.full((5, 2), np.nan), ValueError, "not finite"),
        (np.full((5, 2), 1e300), ValueError, "not finite"),
    ],
)
def test_wrong_blocks_are_refused_when_they_are_fed(block: object, error: type[Exception], match: str) -> None:
    denoiser = Denoiser(RATE_HZ, channels=2)
    with pytest.raises(error, match=match):
        denoiser.feed(block)  # type: ignore[arg-type]
    assert denoiser.feed(np.zeros((3, 2))).shape == (0, 2)  # it goes on as if nothing had been
    assert denoiser.flush().shape == (3, 2)


def test_blocks_keep_their_dimensions() -> None:
    denoiser = Denoiser(RATE_HZ, channels=1)
    denoiser.feed(np.zeros(3))
    with pytest.raises(ValueError, match="1 dimensions so far"):
        denoiser.feed(np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1_000, 1), ValueError),
        ((16_000.0, 1), TypeError),
        ((16_000, 0), ValueError),
        ((16_000, 65), ValueError),
        ((192_000, 9), ValueError),
        ((16_000, 1, 1.1), ValueError),
        ((16_000, 1, float("nan")), ValueError),
    ],
)
def test_recordings_that_cannot_be_are_refused(arguments: tuple[int, int], error: type[Exception]) -> None:
    with pytest.raises(error):
        Denoiser(*arguments)


def test_an_array_on_its_side_is_told() -> None:
    with pytest.raises(ValueError, match=r"8000 channels.*\[frames, channels\]"):
        enhance(np.zeros((2, 8_000)), 16_000)


def test_a_file(folder: Path) -> None:
    assert enhance_file("noisy.wav", folder / "clean.flac", strength=0.8) == ()
    clean, rate_hz = soundfile.read(folder / "clean.flac")
    assert (clean.shape, rate_hz) == ((RATE_HZ // 2, 2), RATE_HZ)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        enhance_file("noisy.wav", "clean.flac")
    enhance_file("noisy.wav", "clean.flac", strength=0, overwrite=True)
    assert np.array_equal(soundfile.read("clean.flac")[0], soundfile.read("noisy.wav")[0])


def test_files_that_cannot_be_are_refused(folder: Path) -> None:
    before = (folder / "noisy.wav").read_bytes()
    (folder / "text.wav").write_text("no sound")
    (folder / "link.wav").symlink_to("noisy.wav")
    for target in ("noisy.wav", "link.wav"):
        with pytest.raises(ValueError, match="same file"):
            enhance_file("noisy.wav", target, overwrite=True)
    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        enhance_file("missing.wav", "clean.wav")
    with pytest.raises(ValueError, match="extension"):
        enhance_file("noisy.wav", "clean")
    with pytest.raises(DenoiseError, match="No audio"):
        enhance_file("text.wav", "clean.wav")
    with pytest.raises(DenoiseError, match="cannot be written"):
        enhance_file("noisy.wav", "clean.xyz")
    with pytest.raises(DenoiseError):
        enhance_file("noisy.wav", "clean.wav", track=1)
    for wrong in (
        {"strength": 2},
        {"strength": "full"},
        {"loudness": 1},
        {"track": -1},
        {"keep": "music"},
        {"keep": "dry"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            enhance_file("noisy.wav", "clean.wav", **wrong)
    assert {path.name for path in folder.iterdir()} == {"noisy.wav", "text.wav", "link.wav"}
    assert (folder / "noisy.wav").read_bytes() == before

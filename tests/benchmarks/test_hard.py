"""What the hard list is made of is what it says, every time."""

import csv
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from benchmarks import hard_material
from benchmarks.hard_cases import KINDS, SEED, Case
from benchmarks.hard_material import Material, split_words
from benchmarks.voice import drawn_out, sung_hz, vowel
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from tests.audio import hiss, voice

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    folder = tmp_path_factory.mktemp("pairs")
    rows = [("a", "en", "LS1", "music Lava"), ("b", "ar", "A1", "ESC10 Rain"), ("c", "en", "LS2", "ESC10 Rain")]
    clean = voice(2, RATE_HZ)
    clean[RATE_HZ // 2 : RATE_HZ] = 0
    for name in ("noisy", "clean"):
        (folder / name).mkdir()
        for row in rows:
            noise = hiss(len(clean), rms=0.01) if name == "noisy" else 0
            soundfile.write(folder / name / f"{row[0]}.flac", clean + noise, RATE_HZ)
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "language", "speaker", "noise", "kind", "rate"))
        writer.writerows((*row, "mixed", "48000") for row in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hard_material, "SECONDS", 2)
        yield Material(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_made(kind: str, material: Material) -> None:
    case = KINDS[kind](np.random.default_rng(SEED), material, 0)
    for x in (case.speech, case.wanted, case.noisy):
        assert len(x) == len(case.noisy) > SAMPLE_RATE_HZ
        assert np.isfinite(x).all()
        assert x.any()


def test_a_kind_is_the_same_each_time_and_each_recording_another(material: Material) -> None:
    build = KINDS["syllables with bursts"]
    first, again, other = (build(np.random.default_rng([SEED, turn]), material, turn).noisy for turn in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[: 10**5], other[: 10**5])


def test_a_vowel_has_its_pitch() -> None:
    pitch_hz = 250.0
    x = vowel(np.random.default_rng(0), "a", np.full(SAMPLE_RATE_HZ, pitch_hz))
    spectrum = np.abs(np.fft.rfft(x))
    harmonics = spectrum[int(pitch_hz) : 2_500 : int(pitch_hz)]
    between = spectrum[int(1.5 * pitch_hz) : 2_500 : int(pitch_hz)]
    assert harmonics.min() > 10 * between.max()


def test_a_sung_note_is_about_its_pitch() -> None:
    assert np.median(sung_hz(np.random.default_rng(0), 440, 1)) == pytest.approx(440, rel=0.01)


def test_what_is_drawn_out_is_longer_at_the_same_pitch_and_level() -> None:
    t = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    x = np.asarray(0.1 * np.sin(2 * np.pi * 330 * t), np.float32)
    y = drawn_out(x, 3.0)
    assert len(y) == 3 * len(x)
    inner = y[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ]
    assert int(np.abs(np.fft.rfft(inner)).argmax()) == 330
    assert np.std(inner) == pytest.approx(np.std(x), rel=0.1)


def test_words_are_what_stands_between_pauses() -> None:
    x = voice(2, SAMPLE_RATE_HZ)
    x[: SAMPLE_RATE_HZ // 4] = x[SAMPLE_RATE_HZ // 2 : SAMPLE_RATE_HZ] = x[-SAMPLE_RATE_HZ // 2 :] = 0
    assert len(split_words(x)) == 2


def test_a_case_without_noise_is_given_as_it_is(material: Material) -> None:
    case: Case = KINDS["plain speech"](np.random.default_rng(0), material, 0)
    assert np.array_equal(case.noisy, case.speech)

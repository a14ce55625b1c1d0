"""The floor of noise under a recorded voice goes, the voice stays."""

from pathlib import Path

import numpy as np
import soundfile
import torch

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from tests.audio import Waveform, hiss, voice
from training.data.corpus import open_corpus
from training.data.floor import without_floor
from training.mix.signals import low_pass

VOICE = voice(3, SAMPLE_RATE_HZ)
PAUSE = np.convolve(np.abs(VOICE), np.ones(4_800), mode="same") == 0  # nothing within 50 ms
FLOOR = low_pass(hiss(len(VOICE), 0.002), 7_000)  # 34 dB under the voice


def cleaned(waveform: Waveform) -> Waveform:
    return without_floor(torch.from_numpy(waveform)).numpy()


def power_db(waveform: Waveform) -> float:
    return float(10 * np.log10(np.mean(np.square(waveform, dtype=np.float64))))


def test_the_floor_goes_from_pauses() -> None:
    found = cleaned(VOICE + FLOOR)
    assert -16 < power_db(found[PAUSE]) - power_db(FLOOR[PAUSE]) < -10


def test_the_voice_stays() -> None:
    found = cleaned(VOICE + FLOOR)
    assert power_db((found - VOICE)[~PAUSE]) < power_db(FLOOR[~PAUSE])
    assert np.abs(cleaned(VOICE) - VOICE).max() < 1e-6


def test_drifts_and_air_stay() -> None:
    t = np.arange(len(VOICE)) / SAMPLE_RATE_HZ
    drift = (0.01 * np.sin(2 * np.pi * 20 * t)).astype(np.float32)
    air = FLOOR * np.sin(2 * np.pi * 16_000 * t).astype(np.float32)  # 9 to 23 kHz
    for stays in (drift, air):
        assert power_db(cleaned(VOICE + stays) - VOICE - stays) < power_db(stays) - 20


def test_without_a_pause_nothing_changes() -> None:
    sung = np.abs(VOICE).max() * np.sin(np.arange(len(VOICE)) / 20).astype(np.float32) + FLOOR
    assert np.array_equal(cleaned(sung), sung)
    assert not cleaned(np.zeros_like(VOICE)).any()
    assert len(cleaned(VOICE[:100])) == 100


def test_digital_silence_is_no_floor() -> None:
    """A cut recording has silence before and behind, and its noise in between."""
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    found = cleaned(np.concatenate([silence, VOICE + FLOOR, silence]))[SAMPLE_RATE_HZ:-SAMPLE_RATE_HZ]
    inner = PAUSE.copy()
    inner[:SAMPLE_RATE_HZ], inner[-SAMPLE_RATE_HZ:] = False, False
    assert power_db(found[inner]) - power_db(FLOOR[inner]) < -10


def test_the_cache_holds_voices_without_their_floor_and_noises_as_they_are(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", VOICE + FLOOR, SAMPLE_RATE_HZ, subtype="PCM_16")
    rows = ["file,kind,speaker_or_class,est_snr_db", "a.wav,speech,someone,", "a.wav,noise,something,"]
    (tmp_path / "MANIFEST.csv").write_text("\n".join(rows))
    corpus = open_corpus([tmp_path], tmp_path / "cache")
    (speech,), (noise,) = corpus.clips["speech"], corpus.clips["noise"]
    assert power_db(corpus.waveform(speech)[PAUSE]) < power_db(FLOOR[PAUSE]) - 10
    assert np.abs(corpus.waveform(noise) - VOICE - FLOOR).max() < 1e-4

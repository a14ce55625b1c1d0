"""Lossy codecs as training puts recordings through them."""

import numpy as np
import pytest

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from tests.audio import voice
from training.data.corpus import Waveform
from training.mix.codecs import CODECS, Codec, coded, through
from training.mix.signals import low_pass

CASES = [(codec, rate_hz) for codec in CODECS for rate_hz in codec.rates_hz]


@pytest.mark.parametrize(("codec", "rate_hz"), CASES, ids=[f"{codec.subtype}-{rate}" for codec, rate in CASES])
def test_what_a_codec_gives_back_is_as_long_as_loud_and_in_time(codec: Codec, rate_hz: int) -> None:
    speech = 2 * voice(2.0, SAMPLE_RATE_HZ)  # beyond full scale: levels come after
    out = through(codec, rate_hz, codec.compression[0] if codec.compression else None, speech)
    assert len(out) == len(speech)
    inside = low_pass(speech, 0.45 * rate_hz)
    assert abs(lag(low_pass(out, 0.45 * rate_hz), inside)) <= 3  # 60 us: some codecs turn phases a little
    assert np.abs(out - speech).max() > 1e-4
    assert out @ inside / (inside @ inside) == pytest.approx(1, abs=0.15)


def test_the_same_chance_gives_the_same_codec() -> None:
    speech = voice(1.0, SAMPLE_RATE_HZ)
    (first, band_hz), (again, _) = (coded(speech, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)
    assert band_hz in {rate_hz / 2 for _, rate_hz in CASES}


def lag(late: Waveform, early: Waveform) -> int:
    """Return by how many samples the first comes after the second."""
    size = 2 * len(early)
    correlation = np.fft.irfft(np.fft.rfft(late, size) * np.conj(np.fft.rfft(early, size)))
    found = int(np.argmax(correlation))
    return found if found < len(early) else found - size

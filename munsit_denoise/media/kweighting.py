"""Weights of frequencies and channels for loudness (ITU-R BS.1770-5, annex 1)."""

from math import pi, tan

import numpy as np
from numpy.typing import NDArray

from munsit_denoise.media.layouts import STANDARD

# The two filters as analogue prototypes, which give the same response at any rate; the standard has only 48 kHz.
SHELF_HZ, SHELF_DB, SHELF_Q, SHELF_BAND = 1_681.974450955533, 3.999843853973347, 0.7071752369554196, 0.4996667741545416
HIGHPASS_HZ, HIGHPASS_Q = 38.13547087602444, 0.5003270373238773
SURROUND = 1.41
SURROUNDS = frozenset({"BL", "BR", "SL", "SR", "BC"})
SILENT = frozenset({"LFE", "LFE2"})


def frequency_weights(size: int, rate_hz: int) -> NDArray[np.float64]:
    """Return the power gain of the K-weighting at each bin of a real FFT of this size, halved at both ends."""
    z = np.exp(-2j * pi * np.arange(size // 2 + 1) / size)
    gain = np.abs(_shelf(z, rate_hz) * _highpass(z, rate_hz)) ** 2
    gain[0] /= 2
    if size % 2 == 0:
        gain[-1] /= 2
    return np.asarray(gain)


def _shelf(z: NDArray[np.complex128], rate_hz: int) -> NDArray[np.complex128]:
    k, high = tan(pi * min(SHELF_HZ / rate_hz, 0.49)), 10 ** (SHELF_DB / 20)
    band = high**SHELF_BAND
    b = (high + band * k / SHELF_Q + k * k, 2 * (k * k - high), high - band * k / SHELF_Q + k * k)
    return np.asarray((b[0] + b[1] * z + b[2] * z * z) / _denominator(z, k, SHELF_Q))


def _highpass(z: NDArray[np.complex128], rate_hz: int) -> NDArray[np.complex128]:
    k = tan(pi * HIGHPASS_HZ / rate_hz)
    scale = 1 + k / HIGHPASS_Q + k * k  # the standard leaves the passband gain at 1 / this
    return np.asarray(scale * (1 - 2 * z + z * z) / _denominator(z, k, HIGHPASS_Q))


def _denominator(z: NDArray[np.complex128], k: float, q: float) -> NDArray[np.complex128]:
    return np.asarray((1 + k / q + k * k) + 2 * (k * k - 1) * z + (1 - k / q + k * k) * z * z)


def channel_weights(layout: str | None, channels: int) -> NDArray[np.float32]:
    """Return the weight of each channel: surround channels count more, a subwoofer not at all."""
    names = (STANDARD.get(layout or "", layout or "")).split("+")
    if len(names) != channels:
        return np.ones(channels, np.float32)
    return np.array([0 if n in SILENT else SURROUND if n in SURROUNDS else 1 for n in names], np.float32)

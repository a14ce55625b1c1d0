"""How much of the speech a denoiser kept, which whole-file scores do not show: DNSMOS is high for silence.

The kept share of a frame is the factor g for which g * clean is closest to the output. Noise that remains hardly
changes g, because it is not correlated with the speech.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FRAME_S = 0.032
ACTIVE_DB = -30.0  # relative to the loudest frame: softer frames do not count as speech
PAUSE_DB = -45.0  # relative to the loudest frame: softer frames contain only noise
LOST_DB = 6.0  # a frame that lost more than this counts as lost
STRETCH_FRAMES = 15  # of half a frame each, 0.24 s: the worst loss is measured over these
FLOOR_DB = -60.0  # the largest loss that is reported
LOWEST_HZ = 80.0  # below the range of speech
Samples = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Kept:
    """The change of the speech; values in dB are gains, so -6 means half the amplitude."""

    lost_percent: float  # of the frames with speech: those that lost more than LOST_DB
    worst_db: float  # the gain of the stretch that lost most


def speech_kept(speech: Samples, enhanced: Samples, rate_hz: int) -> Kept:
    """Compare two aligned recordings [samples]: the clean speech, and the denoised mixture."""
    clean, out = (framed(high_passed(x, rate_hz), rate_hz) for x in (speech, enhanced))
    power = np.square(clean).sum(axis=1)
    spoken = active(power)
    along, power = np.where(spoken, (clean * out).sum(axis=1), 0), np.where(spoken, power, 0)
    lost = decibels(along[spoken], power[spoken]) < -LOST_DB
    return Kept(100 * float(np.mean(lost)), worst_stretch_db(along, power))


def pauses_db(wanted: Samples, noisy: Samples, enhanced: Samples, rate_hz: int) -> float:
    """Return the level of the output relative to the input in pauses; NaN without noise or pauses."""
    power = np.square(framed(wanted, rate_hz)).sum(axis=1)
    quiet = power < power.max() * 10 ** (PAUSE_DB / 10)
    before, after = (float(np.square(framed(x, rate_hz)[quiet]).sum()) for x in (noisy, enhanced))
    noise = float(np.square(framed(noisy - wanted, rate_hz)[quiet]).sum())
    return 10 * float(np.log10((after + 1e-12) / before)) if noise > 1e-6 else float("nan")


def active(power: Samples) -> NDArray[np.bool_]:
    """Return which frames of speech count."""
    return np.asarray(power > power.max() * 10 ** (ACTIVE_DB / 10))


def worst_stretch_db(along: Samples, power: Samples) -> float:
    """Return the gain of the stretch that lost most, among those as loud as a frame that counts."""
    ones = np.ones(min(STRETCH_FRAMES, len(power)))
    along, loudness = np.convolve(along, ones, "valid"), np.convolve(power, ones, "valid")
    loud = loudness > loudness.max() * 10 ** (ACTIVE_DB / 20)
    return float(decibels(along[loud], loudness[loud]).min())


def decibels(along: Samples, power: Samples) -> Samples:
    """Return the gains of speech with this power."""
    return 20 * np.log10(np.maximum(along / power, 10 ** (FLOOR_DB / 20)))


def framed(x: Samples, rate_hz: int) -> Samples:
    """Return windowed frames [frames, samples] that overlap by half."""
    length = round(FRAME_S * rate_hz / 2) * 2
    return np.lib.stride_tricks.sliding_window_view(x, length)[:: length // 2] * np.hanning(length)


def high_passed(x: Samples, rate_hz: int) -> Samples:
    """Return x without frequencies below the voice."""
    spectrum = scipy.fft.rfft(x)
    spectrum *= np.clip(2 * scipy.fft.rfftfreq(len(x), 1 / rate_hz) / LOWEST_HZ - 1, 0, 1)
    return np.asarray(scipy.fft.irfft(spectrum, len(x)))

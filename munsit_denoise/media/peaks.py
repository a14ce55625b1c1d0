"""The true peak of a sound, also between samples (ITU-R BS.1770-5, annex 2: four times oversampling)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
REACH = 12  # samples on each side that an interpolated point depends on
NEAR = 0.7  # of the highest peak so far: only samples above it are interpolated
MOST_POINTS = 256  # of a chunk: the highest samples, next to which points are interpolated
LEAST = 1e-9  # lower values count as silence
FINE_HZ = 96_000  # from this rate on, half the oversampling is enough, and from twice this rate none is needed


class TruePeak:
    """The true peak of one channel, in chunks."""

    def __init__(self, rate_hz: int) -> None:
        steps = (0.25, 0.5) if rate_hz < FINE_HZ else (0.5,) if rate_hz < 2 * FINE_HZ else ()
        self._filter = _interpolator([sign * step for step in steps for sign in (-1, 1)])
        self._tail = np.zeros(2 * REACH, np.float32)  # of the chunk before
        self.peak = 0.0

    def feed(self, samples: Floats) -> float:
        """Take samples; return the largest magnitude among them."""
        joined = np.concatenate([self._tail, samples])
        self._tail = joined[-2 * REACH :].copy()
        high = np.abs(joined)
        highest = float(high[2 * REACH :].max(initial=0))
        self.peak = max(self.peak, highest)
        if self._filter.size:
            self._look_between(joined, high)
        return highest

    def _look_between(self, joined: Floats, high: Floats) -> None:
        inner = high[REACH:-REACH]
        points = np.flatnonzero(inner >= max(NEAR * self.peak, LEAST))
        if len(points) > MOST_POINTS:
            points = points[np.argpartition(inner[points], -MOST_POINTS)[-MOST_POINTS:]]
        if len(points):
            around = joined[points[:, None] + np.arange(2 * REACH + 1)]
            self.peak = max(self.peak, float(np.abs(around @ self._filter).max()))


def _interpolator(steps: list[float]) -> Floats:
    """Return the weights [2 REACH + 1, steps] of the samples around one, for points at these distances after it."""
    at = np.arange(-REACH, REACH + 1)[:, None] - np.array(steps)[None, :]
    window = np.cos(np.pi * at / (2 * REACH + 2)) ** 2
    weights = np.sinc(at) * window
    return np.asarray(weights / weights.sum(axis=0, keepdims=True) if len(steps) else weights, np.float32)

"""The highest point of a sound, between its samples as well (ITU-R BS.1770-5, annex 2: four times oversampled)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
REACH = 12  # samples on each side that an interpolated point is made of
NEAR = 0.7  # of the highest so far: beside a sample below that no higher point is looked for
MOST_POINTS = 256  # samples of a chunk beside which it is looked, the highest ones
LEAST = 1e-9  # what is nearer to silence has no peaks
FINE_HZ = 96_000  # from here on half the oversampling does, and from twice that none is needed


class TruePeak:
    """Of one channel, in chunks."""

    def __init__(self, rate_hz: int) -> None:
        steps = (0.25, 0.5) if rate_hz < FINE_HZ else (0.5,) if rate_hz < 2 * FINE_HZ else ()
        self._filter = _interpolator([sign * step for step in steps for sign in (-1, 1)])
        self._tail = np.zeros(2 * REACH, np.float32)  # of the chunk before
        self.peak = 0.0

    def feed(self, samples: Floats) -> float:
        """Take samples; return the highest magnitude among them."""
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
    """Return [2 REACH + 1, steps]: the weights of the samples around one for the points so far after it."""
    at = np.arange(-REACH, REACH + 1)[:, None] - np.array(steps)[None, :]
    window = np.cos(np.pi * at / (2 * REACH + 2)) ** 2
    weights = np.sinc(at) * window
    return np.asarray(weights / weights.sum(axis=0, keepdims=True) if len(steps) else weights, np.float32)

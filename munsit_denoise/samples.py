"""Converts samples of any common type to float32 with a full scale of 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # [frames] or [frames, channels]


def as_full_scale(array: NDArray[Any]) -> Samples:
    """Return a copy of [frames] or [frames, channels] as float32; integers are scaled by the range of their type.

    Raises TypeError for anything but an array of integers or real numbers, ValueError for another shape and for values
    that are not finite in single precision.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"A numpy array is needed, and this is {type(array).__name__}.")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"An array of integers or real numbers is needed, and this one is of {array.dtype}.")
    if array.ndim not in (1, 2):
        raise ValueError(f"An array [frames] or [frames, channels] is needed, and this one is {list(array.shape)}.")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            samples = array.astype(np.float32)
    else:
        half = 2.0 ** (8 * array.dtype.itemsize - 1)  # of the type's range
        middle = half if array.dtype.kind == "u" else 0.0
        samples = ((array.astype(np.float64) - middle) / half).astype(np.float32)
    if not np.isfinite(samples).all():
        raise ValueError("The array holds numbers that are not finite.")
    return samples

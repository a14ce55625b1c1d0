"""Sample-rate conversion of whole windows in the frequency domain.

A window of whole seconds has a whole number of samples at every integer rate, so one rule serves 8 kHz,
44.1 kHz and 44,101 Hz alike, and a round trip through a higher rate restores the input to rounding error.
Polyphase kernels grow with the reduced rate ratio and droop before the band edge. A window is treated as
periodic; the caller gives it context on both sides and discards the rim.
"""

import torch
from torch import Tensor


def resample_window(window: Tensor, samples: int) -> Tensor:
    """Return [..., samples] spanning the same time as the window, limited to the lower of the two bands."""
    length = window.shape[-1]
    if samples == length:
        return window
    spectrum = torch.fft.rfft(window)
    shorter = min(samples, length)
    bins = shorter // 2 + 1
    out = spectrum.new_zeros((*spectrum.shape[:-1], samples // 2 + 1))
    out[..., :bins] = spectrum[..., :bins] * (samples / length)
    if shorter % 2 == 0:  # the shorter one's Nyquist bin stands for two bins of the longer one
        out[..., bins - 1] *= 2.0 if samples < length else 0.5
    resampled: Tensor = torch.fft.irfft(out, samples)
    return resampled

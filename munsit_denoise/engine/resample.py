"""Converts the sample rate of whole windows in the frequency domain.

A window of whole seconds has a whole number of samples at every integer rate, so the same code handles 8 kHz, 44.1 kHz
and 44,101 Hz, and a round trip through a higher rate restores the input up to rounding. The kernels of a polyphase
resampler grow with the reduced ratio of the rates and attenuate the band edge. A window is treated as periodic; the
caller adds context on both sides and discards the edges.
"""

import torch
from torch import Tensor

CHANNELS_AT_A_TIME = 2  # limits memory


def resample_window(window: Tensor, samples: int) -> Tensor:
    """Return [..., samples] of the same duration as the window, limited to the lower of the two bands."""
    length = window.shape[-1]
    if samples == length:
        return window
    spectrum = torch.fft.rfft(window)
    shorter = min(samples, length)
    bins = shorter // 2 + 1
    out = spectrum.new_zeros((*spectrum.shape[:-1], samples // 2 + 1))
    out[..., :bins] = spectrum[..., :bins] * (samples / length)
    if shorter % 2 == 0:  # the Nyquist bin of the shorter one stands for two bins of the longer one
        out[..., bins - 1] *= 2.0 if samples < length else 0.5
    resampled: Tensor = torch.fft.irfft(out, samples)
    return resampled


def resample_channels(window: Tensor, samples: int) -> Tensor:
    """Return a window [channels, ...] resampled to [channels, samples], a few channels at a time."""
    if window.shape[-1] == samples:
        return window
    parts = [resample_window(part, samples) for part in torch.split(window, CHANNELS_AT_A_TIME)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)

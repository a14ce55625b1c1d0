"""Applies the gain at the top of a network's band to the frequencies above the band."""

import torch
from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.resample import resample_window

HIGHEST = 0.75  # of the band: the gain is measured above this
STEPS_A_SECOND = 50
SMOOTH = 3  # steps
LEAST_POWER = 1e-12  # of a sample


def above_the_band(recording: Tensor, own: Tensor, clean: Tensor, rate_hz: int) -> Tensor:
    """Return [channels, samples] to add to the result of a network with a lower rate.

    `own` is the recording at the network's `rate_hz`, `clean` the result for it; all have the same duration of whole
    seconds.
    """
    samples = recording.shape[-1]
    out = torch.empty_like(recording)
    for channel in range(len(recording)):
        above = recording[channel] - resample_window(own[channel], samples)
        power = _power(torch.stack([own[channel], clean[channel]]), rate_hz // STEPS_A_SECOND)
        gain = ((power[1] + LEAST_POWER) / (power[0] + LEAST_POWER)).clamp_max(1).sqrt()
        out[channel] = above * functional.interpolate(gain[None, None], size=samples, mode="linear")[0, 0]
    return out


def _power(waveforms: Tensor, step: int) -> Tensor:
    """Return the smoothed power of the top of the band [waveforms, steps], one value for `step` samples."""
    spectrum = torch.fft.rfft(waveforms)
    spectrum[:, : int(HIGHEST * spectrum.shape[-1])] = 0
    high = torch.fft.irfft(spectrum, waveforms.shape[-1]).square()
    power = high.unfold(-1, step, step).mean(-1)
    return functional.avg_pool1d(power[:, None], SMOOTH, 1, SMOOTH // 2, count_include_pad=False)[:, 0]

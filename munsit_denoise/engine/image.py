"""Keeps the stereo image when a network has processed each channel independently."""

import torch
from torch import Tensor

from munsit_denoise.engine.filter import shares
from munsit_denoise.engine.filter_sharing import filter_sharing
from munsit_denoise.engine.stft import Stft

LARGEST = 2**0.5  # the largest magnitude of a filter value


def with_shared_filters(clean: Tensor, noisy: Tensor) -> Tensor:
    """Return results [channels, samples] at 48 kHz in which the channels of one image share a filter.

    The filter of a result is the ratio of its spectrum to the original's. `filter_sharing` says how far channels share
    it; where they do not, the result is unchanged.
    """
    stft = Stft().to(noisy.device)
    before, after = stft.analyse(noisy), stft.analyse(clean)
    near = filter_sharing(before)
    power = before.real.square() + before.imag.square() + 1e-20
    filters = _limited(after * before.conj() / power)
    out = clean.clone()
    for channel in range(len(clean)):
        moved = _moved(near[channel], channel)[:, None]  # [frames, 1]
        if moved.any():
            share = shares(power, near, channel)
            share[channel] -= 1 - moved
            change = (share * filters).sum(0) * before[channel] - moved * after[channel]
            out[channel] += stft.synthesise(change[None], clean.shape[-1])[0]
    return out


def _moved(near: Tensor, channel: int) -> Tensor:
    """Return how far a channel shares with the channel that it shares most with [frames]."""
    others = near.clone()
    others[channel] = 0
    return others.amax(0)


def _limited(filters: Tensor) -> Tensor:
    """Return complex values whose magnitude is limited to LARGEST."""
    size = filters.abs()
    return torch.where(size > LARGEST, filters * (LARGEST / size.clamp_min(LARGEST)), filters)

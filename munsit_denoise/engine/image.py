"""Keeps the stereo image when a network has processed each channel independently."""

from collections.abc import Callable

import torch
from torch import Tensor

from munsit_denoise.engine.filter import shares
from munsit_denoise.engine.filter_sharing import filter_sharing
from munsit_denoise.engine.stft import Stft
from munsit_denoise.engine.stop import never, stop_if

LARGEST = 2**0.5  # the largest magnitude of a filter value


def with_shared_filters(clean: Tensor, noisy: Tensor, should_stop: Callable[[], bool] = never) -> Tensor:
    """Return results [channels, samples] at 48 kHz of which kin share one filter, as `filter_sharing` says.

    A result's filter is the ratio of its spectrum to the original's. Where nothing is shared, results stay as they are.
    Raises Stopped before the next pair of channels, and the next channel, once `should_stop` is true.
    """
    stft = Stft().to(noisy.device)
    before, after = stft.analyse(noisy), stft.analyse(clean)
    near = filter_sharing(before, should_stop)
    power = before.real.square() + before.imag.square() + 1e-20
    filters = _limited(after * before.conj() / power)
    out = clean.clone()
    for channel in range(len(clean)):
        stop_if(should_stop)
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

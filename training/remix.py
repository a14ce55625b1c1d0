"""More pairs out of a batch of pairs: each voice once more with the noise of another.

To read, play slower, put in a room and equalise takes a processor's core longer than a GPU takes to learn from what
comes of it. A voice is as good a lesson with a second noise, at another SNR, and the sums cost a GPU next to nothing.
"""

import torch
from torch import Tensor
from torch.nn import functional

from training.mix import CREST
from training.signals import ACTIVE, FRAME


def remixed(
    noisy: Tensor, clean: Tensor, band_hz: Tensor, copies: int, snr_db: tuple[float, float], clean_only: float = 0.0
) -> list[Tensor]:
    """Return a batch of waveforms [batch, samples] and `copies` times as many more: noisy, clean and band.

    Those are its voices in turn, each with another's noise from elsewhere on, at SNRs from `snr_db`; a share
    `clean_only` has none. Items without voice or without noise take no part in them.
    """
    noise = noisy - clean
    both = (clean.ne(0).any(dim=1) & noise.ne(0).any(dim=1)).nonzero().flatten()
    count, device = len(both), clean.device
    if count < 2:
        return [noisy, clean, band_hz]
    place = torch.arange(copies * len(noisy), device=device)
    offset = 1 + torch.randperm(count - 1, device=device)  # of the noise, from the voice: another each time round
    voice, other = place % count, (place + offset[place // count % (count - 1)]) % count
    voices, noises = clean[both[voice]], _from_elsewhere(noise[both[other]])
    wanted_db = torch.empty(len(place), 1, device=device).uniform_(*snr_db)
    gain = _level(voices) / _loudness(noises).clamp_min(1e-9) * 10 ** (-wanted_db / 20)
    gain = gain * (torch.rand_like(gain) >= clean_only)
    more = voices + gain * noises, voices, band_hz[both[voice]]
    return [torch.cat(pair) for pair in zip((noisy, clean, band_hz), more, strict=True)]


def _from_elsewhere(noises: Tensor) -> Tensor:
    """Return each of [batch, samples] from a place of its own on, its beginning behind its end."""
    samples = noises.shape[1]
    start = torch.randint(samples, (len(noises), 1), device=noises.device)
    return noises.gather(1, (start + torch.arange(samples, device=noises.device)) % samples)


def _level(voices: Tensor) -> Tensor:
    """Return the RMS [batch, 1] of voices [batch, samples] without their pauses (`training.signals.active_rms`)."""
    power = functional.avg_pool1d(voices.square()[:, None], FRAME)[:, 0]  # [batch, frames]
    active = power > ACTIVE * power.amax(dim=1, keepdim=True)
    return ((power * active).sum(dim=1, keepdim=True) / active.sum(dim=1, keepdim=True).clamp_min(1)).sqrt()


def _loudness(noises: Tensor) -> Tensor:
    """Return the RMS [batch, 1] of noises [batch, samples], of those with lone clicks a share of their peak."""
    rms = noises.square().mean(dim=1, keepdim=True).sqrt()
    return torch.maximum(rms, noises.abs().amax(dim=1, keepdim=True) / CREST)

"""DeepFilterNet3 over the channels of a recording, as one stream that is fed in pieces."""

import torch
from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.deepfilternet.features import (
    ERB_RANGE_DB,
    HOP,
    LEAST_MAGNITUDE,
    LOOKAHEAD,
    Spectra,
    parts,
    tracked,
)
from munsit_denoise.engine.deepfilternet.network import Memory, Network

LAG = (LOOKAHEAD + 1) * HOP  # samples that the stream's output is behind


class RecurrentStream:
    """Some channels that begin together. Whole hops in, and out what can be told of them."""

    def __init__(self, network: Network, spectra: Spectra) -> None:
        self._network, self._spectra, self._memory = network, spectra, Memory()
        self._samples: Tensor | None = None  # the last hop that was fed
        self._frames: Tensor | None = None  # spectra that the next frame's filters need
        self._levels: tuple[Tensor, Tensor] | None = None  # at the last frame
        self._last: Tensor | None = None  # the last frame of the result, which its successor overlaps

    @torch.inference_mode()
    def feed(self, samples: Tensor) -> Tensor:
        """Take [channels, hops * HOP] at 48 kHz, at first more than LAG; return as many, at first LAG fewer."""
        before = samples[:, :0].new_zeros(len(samples), HOP) if self._samples is None else self._samples
        self._samples = samples[:, -HOP:].clone()
        fresh = self._spectra.analyse(torch.cat([before, samples], dim=1))  # [channels, frames, bins]
        erb, low = self._normalised(fresh)
        if self._frames is None:
            self._frames = functional.pad(fresh[:, :0], (0, 0, 0, LOOKAHEAD))
            erb, low = erb[:, LOOKAHEAD:], low[:, LOOKAHEAD:]  # the network is told of a frame by what comes behind it
        around = torch.cat([self._frames, fresh], dim=1)
        self._frames = around[:, -2 * LOOKAHEAD :].clone()
        gains, taps = self._network(erb[:, None], parts(low), self._memory)
        result = self._spectra.filtered(around, gains, taps)
        joined = result if self._last is None else torch.cat([self._last, result], dim=1)
        self._last = joined[:, -1:].clone()
        return self._spectra.synthesise(joined)

    def _normalised(self, fresh: Tensor) -> tuple[Tensor, Tensor]:
        """Return levels and low bins beside what they were in the last second."""
        level_db, low = self._spectra.levels(fresh)
        of_level, of_low = self._levels or (None, None)
        mean_db, magnitude = tracked(level_db, of_level), tracked(low.abs(), of_low)
        self._levels = mean_db[:, -1].clone(), magnitude[:, -1].clone()
        return (level_db - mean_db) / ERB_RANGE_DB, low / magnitude.clamp_min(LEAST_MAGNITUDE).sqrt()

"""DeepFilterNet3 over some channels of a recording, fed in pieces as one stream."""

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

LAG = (LOOKAHEAD + 1) * HOP  # samples of delay


class RecurrentStream:
    """Some channels that start together; takes whole hops and returns what is ready."""

    def __init__(self, network: Network, spectra: Spectra) -> None:
        self._network, self._spectra, self._memory = network, spectra, Memory()
        self._samples: Tensor | None = None  # the last hop of the previous piece
        self._frames: Tensor | None = None  # spectra that the filters of the next frame need
        self._levels: tuple[Tensor, Tensor] | None = None  # running levels at the last frame
        self._last: Tensor | None = None  # the last frame of the result, which overlaps with the next one

    @torch.inference_mode()
    def feed(self, samples: Tensor) -> Tensor:
        """Take [channels, hops * HOP] at 48 kHz and return as many samples, delayed by LAG.

        The first piece must be longer than LAG; the result for it is LAG samples shorter.
        """
        before = samples[:, :0].new_zeros(len(samples), HOP) if self._samples is None else self._samples
        self._samples = samples[:, -HOP:].clone()
        fresh = self._spectra.analyse(torch.cat([before, samples], dim=1))  # [channels, frames, bins]
        erb, low = self._normalised(fresh)
        if self._frames is None:
            self._frames = functional.pad(fresh[:, :0], (0, 0, 0, LOOKAHEAD))
            erb, low = erb[:, LOOKAHEAD:], low[:, LOOKAHEAD:]  # the network's input is LOOKAHEAD frames ahead
        around = torch.cat([self._frames, fresh], dim=1)
        self._frames = around[:, -2 * LOOKAHEAD :].clone()
        gains, taps = self._network(erb[:, None], parts(low), self._memory)
        result = self._spectra.filtered(around, gains, taps)
        joined = result if self._last is None else torch.cat([self._last, result], dim=1)
        self._last = joined[:, -1:].clone()
        return self._spectra.synthesise(joined)

    def _normalised(self, fresh: Tensor) -> tuple[Tensor, Tensor]:
        """Return levels and low bins relative to their running means of about a second."""
        level_db, low = self._spectra.levels(fresh)
        of_level, of_low = self._levels or (None, None)
        mean_db, magnitude = tracked(level_db, of_level), tracked(low.abs(), of_low)
        self._levels = mean_db[:, -1].clone(), magnitude[:, -1].clone()
        return (level_db - mean_db) / ERB_RANGE_DB, low / magnitude.clamp_min(LEAST_MAGNITUDE).sqrt()

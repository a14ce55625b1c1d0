"""The distance between levels of mel bands in dB, in which pauses count as much as speech.

Sounds 40 dB below the voice contribute little to a compressed spectrum, but they are audible whenever the voice pauses,
and listeners judge a denoised recording by them.
"""

from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from munsit_denoise.engine.stft import N_BINS, SAMPLE_RATE_HZ
from training.losses.pesq import BINS

BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 60.0, 8_000.0
FLOOR = 1e-7  # times the target's mean power, 70 dB down: lower levels count as equal
TINY = 1e-9  # power; keeps the logarithm finite where the target is silent


class MelLoss(nn.Module):
    """The mean absolute difference in dB between power spectrograms [batch, frames, bins] of the model's transform."""

    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        bands = melscale_fbanks(N_BINS, LOWEST_HZ, HIGHEST_HZ, BANDS, SAMPLE_RATE_HZ)
        self.register_buffer("bands", bands[:BINS], persistent=False)

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Return the distance [batch] in dB."""
        found, wanted = (power[..., :BINS] @ self.bands for power in (estimate, target))  # [batch, frames, bands]
        floor = FLOOR * wanted.mean(dim=(1, 2), keepdim=True) + TINY
        return 10 * ((found + floor).log10() - (wanted + floor).log10()).abs().mean(dim=(1, 2))

"""The error of compressed spectra in longer and shorter windows than the model's.

Windows of 80 ms separate the harmonics of any voice, so noise between them counts. Windows of 10 ms separate clicks and
onsets, so pre-echo counts. Both measure the waveform after overlap-add, in which the filters of neighbouring frames and
bins have combined. Losses with several windows are common in vocoders (Yamamoto, Song and Kim, "Parallel WaveGAN",
2020) and denoisers (Schröter et al., "DeepFilterNet2", 2022).
"""

import torch
from torch import Tensor, nn
from torchaudio.transforms import Spectrogram

from munsit_denoise.engine.stft import N_FFT, SAMPLE_RATE_HZ, sqrt_hann
from training.losses.spectra import Parts, bin_weights, inside_band, spectral_error

RATE_HZ = 16_000  # of the waveform: harmonics above 8 kHz are not heard separately
FRAME = N_FFT * RATE_HZ // SAMPLE_RATE_HZ  # samples of the model's window at this rate
WINDOWS = (160, 1_280)  # samples: 10 and 80 ms


class ResolutionLoss(nn.Module):
    """The mean error over `WINDOWS` of complex spectrograms of the model's transform, up to 8 kHz."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", sqrt_hann(FRAME), persistent=False)
        self.transforms = nn.ModuleList(_transform(length) for length in WINDOWS)

    def forward(self, estimate: Tensor, target: Tensor, band_hz: Tensor) -> Tensor:
        """Return the error [batch] of spectrograms [batch, frames, bins] with a level of one.

        Bins above `band_hz` [batch] do not count.
        """
        both = self.waveform(torch.cat([estimate, target]))
        errors = []
        for length, transform in zip(WINDOWS, self.transforms, strict=True):
            found, wanted = (Parts.of(s.transpose(1, 2)) for s in transform(both).chunk(2))
            bin_hz, bins = RATE_HZ / length, length // 2 + 1
            weights = bin_weights(bin_hz, bins).to(band_hz.device) * inside_band(bin_hz, bins, band_hz)
            errors.append(spectral_error(found, wanted, weights))
        return torch.stack(errors).mean(dim=0)

    def waveform(self, spectrogram: Tensor) -> Tensor:
        """Return the waveform [batch, samples] at 16 kHz of a spectrogram [batch, frames, bins], without its edges."""
        frames: Tensor = torch.fft.irfft(spectrogram[..., : FRAME // 2 + 1], FRAME) * (self.window * FRAME / N_FFT)
        hops = frames[:, :-1, FRAME // 2 :] + frames[:, 1:, : FRAME // 2]
        return hops.flatten(1)


def _transform(length: int) -> Spectrogram:
    """Return a transform in which noise has the same power as in the model's."""

    def window(n: int) -> Tensor:
        hann = torch.hann_window(n)
        energy = SAMPLE_RATE_HZ / RATE_HZ * sqrt_hann(N_FFT).square().sum()
        return hann * (energy / hann.square().sum()).sqrt().item()

    return Spectrogram(n_fft=length, hop_length=length // 2, window_fn=window, power=None, pad_mode="constant")

"""Short-time Fourier transform at the model's rate, and back."""

import torch
import torchaudio
from torch import Tensor, nn

SAMPLE_RATE_HZ = 48_000
N_FFT = 1_536  # samples: 32 ms, 31.25 Hz a bin
HOP_LENGTH = N_FFT // 2  # samples: 16 ms, 62.5 frames a second
N_BINS = N_FFT // 2 + 1
BIN_HZ = SAMPLE_RATE_HZ / N_FFT


def sqrt_hann(window_length: int) -> Tensor:
    """Return the square root of a periodic Hann window: analysis times synthesis overlap-adds to one."""
    return torch.hann_window(window_length, periodic=True).sqrt()


class Stft(nn.Module):
    """A transform pair whose inverse restores the waveform to rounding error."""

    def __init__(self) -> None:
        super().__init__()
        self.forward_transform = torchaudio.transforms.Spectrogram(
            n_fft=N_FFT, hop_length=HOP_LENGTH, window_fn=sqrt_hann, power=None, pad_mode="constant"
        )
        self.inverse_transform = torchaudio.transforms.InverseSpectrogram(
            n_fft=N_FFT, hop_length=HOP_LENGTH, window_fn=sqrt_hann
        )

    def analyse(self, waveform: Tensor) -> Tensor:
        """Return the complex spectrogram [batch, frames, bins] of a waveform [batch, samples]."""
        spectrogram: Tensor = self.forward_transform(waveform)
        return spectrogram.transpose(1, 2)

    def synthesise(self, spectrogram: Tensor, samples: int) -> Tensor:
        """Return the waveform [batch, samples] of a complex spectrogram [batch, frames, bins]."""
        waveform: Tensor = self.inverse_transform(spectrogram.transpose(1, 2), samples)
        return waveform

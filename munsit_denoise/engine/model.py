"""The mask network: band-split features, dual-path LSTMs over time and frequency, a mask a bin or band.

Both directions of time are read (the service works on files), so the network sees past and future. The
dual-path layout follows Luo, Chen and Yoshioka, "Dual-path RNN" (2020), and its band-split form; power-law
compression follows Braun and Tashev, "Data augmentation and loss normalization for deep noise
suppression" (2020).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from munsit_denoise.engine.bands import LOW_BINS, N_GROUPS, SECTIONS, Section, high_band_matrix

COMPRESSION = 0.3  # exponent on magnitudes, in features and loss
LEVEL_FRAMES = 125  # frames of the moving average that the input is levelled with: 2 s
POWER_FLOOR = 1e-12  # keeps digital silence finite: far below 24-bit rounding


@dataclass(frozen=True)
class ModelSize:
    """What a checkpoint must say for the network to be built again."""

    channels: int = 32
    hidden: int = 32
    blocks: int = 2


class GroupLinear(nn.Module):
    """A linear layer for each group of a section: [batch, frames, groups, in] to [..., out]."""

    def __init__(self, groups: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(groups, in_features, out_features) / in_features**0.5)
        self.bias = nn.Parameter(torch.zeros(groups, out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each group's own matrix."""
        return torch.einsum("btgi,gio->btgo", x, self.weight) + self.bias


class SequenceLayer(nn.Module):
    """A residual bidirectional LSTM along the second axis of [sequences, steps, channels]."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size.channels)
        self.lstm = nn.LSTM(size.channels, size.hidden, batch_first=True, bidirectional=True)
        self.project = nn.Linear(2 * size.hidden, size.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the sequence says about it."""
        y, _ = self.lstm(self.norm(x))
        out: Tensor = x + self.project(y)
        return out


class DualPathBlock(nn.Module):
    """One look along time in every group, one across the groups of every frame."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.along_time = SequenceLayer(size)
        self.across_bands = SequenceLayer(size)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, groups, channels] to the same shape."""
        batch, frames, groups, channels = x.shape
        x = x.transpose(1, 2).reshape(batch * groups, frames, channels)
        x = self.along_time(x).view(batch, groups, frames, channels).transpose(1, 2)
        x = self.across_bands(x.reshape(batch * frames, groups, channels))
        return x.view(batch, frames, groups, channels)


class SectionEncoder(nn.Module):
    """Features of one section to one vector a group."""

    def __init__(self, section: Section, channels: int) -> None:
        super().__init__()
        self.section = section
        self.linear = GroupLinear(section.groups, section.features, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map [batch, frames, bands * features a band] to [batch, frames, groups, channels]."""
        batch, frames, _ = features.shape
        out: Tensor = self.linear(features.reshape(batch, frames, self.section.groups, -1))
        return out


class SectionDecoder(nn.Module):
    """One vector a group to the mask values of its bands."""

    def __init__(self, section: Section, channels: int) -> None:
        super().__init__()
        self.section = section
        self.hidden = GroupLinear(section.groups, channels, 2 * channels)
        self.out = GroupLinear(section.groups, 2 * channels, section.outputs)
        with torch.no_grad():  # start near the identity: a real part or gain of tanh(1.5) or sigmoid(1.5)
            self.out.weight.mul_(0.1)
            self.out.bias[:, :: 2 if section.complex_mask else 1] = 1.5

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, groups, channels] to [batch, frames, bands, values a band]."""
        y = self.out(functional.silu(self.hidden(x)))
        batch, frames = y.shape[:2]
        bands = self.section.groups * self.section.width
        shaped: Tensor = y.reshape(batch, frames, bands, -1)
        return shaped


class MaskNetwork(nn.Module):
    """Noisy complex spectrogram in, complex mask of the same shape out; no element exceeds sqrt(2)."""

    high_matrix: Tensor

    def __init__(self, size: ModelSize | None = None) -> None:
        super().__init__()
        self.size = size or ModelSize()
        self.register_buffer("high_matrix", high_band_matrix(), persistent=False)
        self.encoders = nn.ModuleList(SectionEncoder(s, self.size.channels) for s in SECTIONS)
        self.position = nn.Parameter(torch.zeros(N_GROUPS, self.size.channels))
        self.blocks = nn.ModuleList(DualPathBlock(self.size) for _ in range(self.size.blocks))
        self.norm = nn.LayerNorm(self.size.channels)
        self.decoders = nn.ModuleList(SectionDecoder(s, self.size.channels) for s in SECTIONS)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Return the mask for a complex spectrogram [batch, frames, bins]."""
        low, high = self.features(spectrogram)
        inputs = [self._section_input(section, low, high) for section in SECTIONS]
        x = torch.cat([encode(i) for encode, i in zip(self.encoders, inputs, strict=True)], dim=2)
        x = x + self.position
        for block in self.blocks:
            x = block(x)
        return self._mask(self.norm(x))

    def features(self, spectrogram: Tensor) -> tuple[Tensor, Tensor]:
        """Return levelled, compressed features: [batch, frames, low bins, 3] and [batch, frames, high bands]."""
        real, imag = spectrogram.real, spectrogram.imag
        power = real.square() + imag.square()  # [batch, frames, bins]
        level = local_level(power.mean(dim=-1))[..., None]  # [batch, frames, 1]
        low = (power[..., :LOW_BINS] / level + POWER_FLOOR).unsqueeze(-1)
        parts = torch.stack([real[..., :LOW_BINS], imag[..., :LOW_BINS]], dim=-1) / level.sqrt()[..., None]
        low = torch.cat([parts * low ** ((COMPRESSION - 1) / 2), low ** (COMPRESSION / 2)], dim=-1)
        high = (power[..., LOW_BINS:] / level) @ (self.high_matrix / self.high_matrix.sum(dim=0))
        return low, (high + POWER_FLOOR) ** (COMPRESSION / 2)

    @staticmethod
    def _section_input(section: Section, low: Tensor, high: Tensor) -> Tensor:
        if section.complex_mask:
            return low[:, :, section.start : section.stop].flatten(2)
        return high[:, :, section.start - LOW_BINS : section.stop - LOW_BINS]

    def _mask(self, x: Tensor) -> Tensor:
        """Return the complex mask [batch, frames, bins] of the last features [batch, frames, groups, channels]."""
        low: list[Tensor] = []
        high: list[Tensor] = []
        first = 0
        for section, decode in zip(SECTIONS, self.decoders, strict=True):
            values = decode(x[:, :, first : first + section.groups])
            (low if section.complex_mask else high).append(values)
            first += section.groups
        low_mask = torch.view_as_complex(torch.cat(low, dim=2).tanh().contiguous())
        gains = torch.cat(high, dim=2).squeeze(-1).sigmoid() @ self.high_matrix.T  # [batch, frames, high bins]
        return torch.cat([low_mask, torch.complex(gains, torch.zeros_like(gains))], dim=2)


def local_level(frame_power: Tensor) -> Tensor:
    """Return the mean power around each frame [batch, frames], so that the mask does not depend on loudness."""
    mean = functional.avg_pool1d(
        frame_power[:, None], LEVEL_FRAMES, stride=1, padding=LEVEL_FRAMES // 2, count_include_pad=False
    )
    return mean[:, 0] + POWER_FLOOR

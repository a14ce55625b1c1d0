"""The mask network: band-split features, dilated convolutions over time and bands, a mask a bin or band.

It looks as far ahead as back (the service works on files), and no farther than `REACH_FRAMES`: what a window
of the recording yields is the same wherever its neighbours begin, which a recurrent network cannot promise.
Dilated residual convolutions follow Bai, Kolter and Koltun, "An empirical evaluation of generic convolutional
and recurrent networks for sequence modeling" (2018); power-law compression follows Braun and Tashev, "Data
augmentation and loss normalization for deep noise suppression" (2020).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_eval

from munsit_denoise.engine.bands import LOW_BINS, N_GROUPS, SECTIONS, Section, high_band_matrix
from munsit_denoise.engine.stft import BIN_HZ, N_BINS

COMPRESSION = 0.3  # exponent on magnitudes, in features and loss
LEVEL_FRAMES = 121  # frames of the moving average that the input is levelled with: 2 s
LEVEL_FLOOR = 1e-12  # of a bin's power: far below 24-bit rounding, keeps digital silence finite
FEATURE_FLOOR = 1e-8  # below the level by 80 dB: what resampling leaves in an empty band is no feature
DILATIONS = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)  # of the blocks, in frames
MIXED_AFTER = (1, 5)  # blocks after which all bands see each other
HIGH_GAIN_FLOOR = 0.02  # a trace of the room, 34 dB down, sounds more natural than nothing at all
FLOOR_FROM_HZ = 8_000  # below, where voices are, noise may go altogether
REACH_FRAMES = sum(DILATIONS) + LEVEL_FRAMES // 2  # how far a frame of the mask sees, each way


@dataclass(frozen=True)
class ModelSize:
    """What a checkpoint must say for the network to be built again."""

    channels: int = 48


class GroupLinear(nn.Module):
    """A linear layer for each group of a section: [batch, frames, groups, in] to [..., out]."""

    def __init__(self, groups: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(groups, in_features, out_features) / in_features**0.5)
        self.bias = nn.Parameter(torch.zeros(groups, out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each group's own matrix."""
        return torch.einsum("btgi,gio->btgo", x, self.weight) + self.bias


class Block(nn.Module):
    """A residual convolution over three groups and three frames `dilation` apart."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        padding = (dilation, 1)
        self.conv = nn.Conv2d(channels, channels, 3, padding=padding, dilation=(dilation, 1), bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, frames, groups] to the same shape."""
        return x + functional.silu(self.norm(self.conv(x)), inplace=not self.training)

    def fuse(self) -> None:
        """Fold the normalisation into the convolution, for inference alone."""
        assert isinstance(self.norm, nn.BatchNorm2d)  # not fused yet
        self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
        self.norm = nn.Identity()


class BandMixer(nn.Module):
    """A residual linear layer across all groups: harmonics stand far apart."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(N_GROUPS, N_GROUPS)
        nn.init.zeros_(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, frames, groups] to the same shape."""
        groups_last = x.permute(0, 2, 3, 1)  # [batch, frames, groups, channels], as it lies in memory
        mixed = self.linear.weight @ groups_last + self.linear.bias[:, None]
        return x + mixed.permute(0, 3, 1, 2)


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
    gain_floor: Tensor

    def __init__(self, size: ModelSize | None = None) -> None:
        super().__init__()
        self.size = size or ModelSize()
        self.register_buffer("high_matrix", high_band_matrix(), persistent=False)
        high_hz = torch.arange(LOW_BINS, N_BINS) * BIN_HZ
        self.register_buffer("gain_floor", HIGH_GAIN_FLOOR * (high_hz > FLOOR_FROM_HZ), persistent=False)
        self.encoders = nn.ModuleList(SectionEncoder(s, self.size.channels) for s in SECTIONS)
        self.position = nn.Parameter(torch.zeros(N_GROUPS, self.size.channels))
        self.blocks = nn.ModuleList(Block(self.size.channels, dilation) for dilation in DILATIONS)
        self.mixers = nn.ModuleList(BandMixer() for _ in MIXED_AFTER)
        self.norm = nn.LayerNorm(self.size.channels)
        self.decoders = nn.ModuleList(SectionDecoder(s, self.size.channels) for s in SECTIONS)
        self.to(memory_format=torch.channels_last)  # the layout that CPU convolutions are fast in

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Return the mask for a complex spectrogram [batch, frames, bins]."""
        low, high = self.features(spectrogram)
        inputs = [self._section_input(section, low, high) for section in SECTIONS]
        x = torch.cat([encode(i) for encode, i in zip(self.encoders, inputs, strict=True)], dim=2)
        x = (x + self.position).permute(0, 3, 1, 2)  # [batch, channels, frames, groups], channels last in memory
        mixers = dict(zip(MIXED_AFTER, self.mixers, strict=True))
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in mixers:
                x = mixers[number](x)
        return self._mask(self.norm(x.permute(0, 2, 3, 1)))

    def fuse(self) -> None:
        """Make the network faster and unable to learn."""
        for block in self.blocks:
            assert isinstance(block, Block)  # a ModuleList forgets the type
            block.fuse()

    def features(self, spectrogram: Tensor) -> tuple[Tensor, Tensor]:
        """Return levelled, compressed features: [batch, frames, low bins, 3] and [batch, frames, high bands]."""
        real, imag = spectrogram.real, spectrogram.imag
        power = real.square() + imag.square()  # [batch, frames, bins]
        level = local_level(power.mean(dim=-1))[..., None]  # [batch, frames, 1]
        low = (power[..., :LOW_BINS] / level + FEATURE_FLOOR).unsqueeze(-1)
        parts = torch.stack([real[..., :LOW_BINS], imag[..., :LOW_BINS]], dim=-1) / level.sqrt()[..., None]
        low = torch.cat([parts * low ** ((COMPRESSION - 1) / 2), low ** (COMPRESSION / 2)], dim=-1)
        high = (power[..., LOW_BINS:] / level) @ (self.high_matrix / self.high_matrix.sum(dim=0))
        return low, (high + FEATURE_FLOOR) ** (COMPRESSION / 2)

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
        low_mask = torch.view_as_complex(torch.cat(low, dim=2).float().tanh().contiguous())
        gains = torch.cat(high, dim=2).squeeze(-1).float().sigmoid() @ self.high_matrix.T  # [batch, frames, high bins]
        gains = self.gain_floor + (1 - self.gain_floor) * gains.float()  # mixed precision makes products shorter
        return torch.cat([low_mask, torch.complex(gains, torch.zeros_like(gains))], dim=2)


def local_level(frame_power: Tensor) -> Tensor:
    """Return the mean power around each frame [batch, frames], so that the mask does not depend on loudness."""
    mean = functional.avg_pool1d(
        frame_power[:, None], LEVEL_FRAMES, stride=1, padding=LEVEL_FRAMES // 2, count_include_pad=False
    )
    return mean[:, 0] + LEVEL_FLOOR

"""The mask network: band-split features, a U-shaped network over bands and time, a filter or gain for each bin.

Groups of bands are merged in pairs, down to a dense middle that sees the whole spectrum, and split again with skip
connections (Ronneberger, Fischer and Brox, "U-Net", 2015). The network looks ahead as far as back, because the service
works on files, and its reach is finite. So the output at a moment does not depend on where windows begin; a recurrent
network cannot guarantee that. Power-law compression follows Braun and Tashev, "Data augmentation and loss normalization
for deep noise suppression" (2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from munsit_denoise.engine.bands import FILTER_TAPS, LOW_BINS, N_GROUPS, SECTIONS, Section, high_band_matrix
from munsit_denoise.engine.filter import Filter
from munsit_denoise.engine.layers import (
    ConvBlock,
    DenseBlock,
    Downsample,
    GroupLinear,
    Pointwise,
    SectionDecoder,
    SectionEncoder,
    Upsample,
    WinogradDenseBlock,
)
from munsit_denoise.engine.stft import BIN_HZ, N_BINS

COMPRESSION = 0.3  # exponent of magnitudes, in features and loss
LEVEL_FRAMES = 121  # in the moving average that normalises the input level: 2 s
APART_DB = (13.0, 17.0)  # a second this far below the mean around it is levelled by itself: not at all, fully
ALONE_DB = (8.0, 12.0)  # a frame this far above its second is not part of it, but a single sound in a pause
PAUSE_DB = (6.0, 10.0)  # the mean of speech is this far above its quietest frames; that of steady noise is not
PAUSE_SHARE = 0.5  # the share of frames that counts as quietest
LEVEL_FLOOR = 1e-12  # power of a bin, far below 24-bit rounding: keeps digital silence finite
FEATURE_FLOOR = 1e-8  # 80 dB below the level: ignores what resampling leaves in an empty band
Dilations = tuple[tuple[int, ...], ...]  # for each block of each scale
SCALES = 3  # all groups, pairs of them, pairs of pairs
HIGH_GAIN_FLOOR = 0.015  # 36 dB down: a trace of the room sounds more natural than silence
FLOOR_FROM_HZ = 8_000  # below it, in the range of voices, noise is removed completely


@dataclass(frozen=True)
class ModelSize:
    """The dimensions of the network, as a checkpoint stores them."""

    channels: int = 48  # for each group
    dilations_in: Dilations = ((1,), (2,), (1, 4))  # of each scale's blocks before the middle, in frames
    dilations_out: Dilations = ((1,), (2,), (1,))  # and after it
    dense_dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 8, 4, 2)

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "ModelSize":
        """Return the size in a checkpoint or recipe, where tuples are stored as lists."""
        return cls(**tupled(table))

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels of a group at each scale."""
        return self.channels, self.channels * 4 // 3, self.channels * 2

    @property
    def dense(self) -> int:
        """Features of a frame in the middle."""
        return self.channels * 8

    @property
    def rim_frames(self) -> int:
        """Frames that the layers up to the middle reach each way."""
        return sum(map(sum, self.dilations_in)) + sum(self.dense_dilations)

    @property
    def reach_frames(self) -> int:
        """Frames that the whole network reaches each way."""
        return LEVEL_FRAMES // 2 + self.rim_frames + sum(map(sum, self.dilations_out))


class MaskNetwork(nn.Module):
    """Maps a noisy complex spectrogram to the filter that removes its noise."""

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
        widths = self.size.widths
        self.blocks_in = nn.ModuleList(_blocks(*scale) for scale in zip(widths, self.size.dilations_in, strict=True))
        self.blocks_out = nn.ModuleList(_blocks(*scale) for scale in zip(widths, self.size.dilations_out, strict=True))
        steps = range(SCALES - 1)
        self.down = nn.ModuleList(Downsample(widths[i], widths[i + 1], N_GROUPS >> i) for i in steps)
        self.up = nn.ModuleList(Upsample(widths[i + 1], widths[i]) for i in steps)
        flat = (N_GROUPS >> SCALES - 1) * widths[-1]  # features of a frame at the last scale
        self.dense_norm = nn.LayerNorm(flat)
        self.dense_in: nn.Linear | Pointwise = nn.Linear(flat, self.size.dense)
        self.dense_out: nn.Linear | Pointwise = nn.Linear(self.size.dense, flat)
        self.dense = nn.Sequential(*(DenseBlock(self.size.dense, dilation) for dilation in self.size.dense_dilations))
        self.norm = nn.LayerNorm(self.size.channels)
        self.decoders = nn.ModuleList(SectionDecoder(s, self.size.channels) for s in SECTIONS)
        self.to(memory_format=torch.channels_last)  # convolutions on the CPU are faster in this layout

    def forward(self, spectrogram: Tensor, margin: int = 0, rim: int = 0) -> Filter:
        """Return the filter for a complex spectrogram [batch, frames, bins].

        The `margin` frames at each end only contribute to the level of the others. The next `rim` frames at each end
        are only input to the layers up to the middle. Neither get a filter.
        """
        frames = slice(margin, spectrogram.shape[1] - margin)
        low, high = (part[:, frames] for part in self.features(spectrogram))
        inputs = [self._section_input(section, low, high) for section in SECTIONS]
        x = torch.cat([encode(i) for encode, i in zip(self.encoders, inputs, strict=True)], dim=2)
        x = (x + self.position).permute(0, 3, 1, 2)  # [batch, channels, frames, groups], channels last in memory
        return self._filter(self.norm(self._scale(x, 0, rim).permute(0, 2, 3, 1)))

    def _scale(self, x: Tensor, scale: int, rim: int) -> Tensor:
        """Map [batch, channels, frames, groups] through this scale and those below; the result lacks the rims."""
        x = self.blocks_in[scale](x)
        inner = x[:, :, rim : x.shape[2] - rim]
        if scale < SCALES - 1:
            x = self.up[scale](self._scale(self.down[scale](x), scale + 1, rim)).add_(inner)
        else:
            x = inner + self._middle(x.permute(0, 2, 3, 1), rim).permute(0, 3, 1, 2)
        out: Tensor = self.blocks_out[scale](x)
        return out

    def _middle(self, x: Tensor, rim: int) -> Tensor:
        """Map [batch, frames, groups, channels] of the last scale as one vector per frame; the output lacks rims."""
        y: Tensor = functional.silu(self.dense(self.dense_in(self.dense_norm(x.flatten(2)))))
        y = self.dense_out(y[:, rim : x.shape[1] - rim])
        return y.view(*y.shape[:2], *x.shape[2:])

    def fuse(self, *, winograd: bool) -> None:
        """Prepare the network for faster inference, without training; `winograd` is for float32 on a CPU."""
        if winograd:
            self.dense_in, self.dense_out = Pointwise(self.dense_in), Pointwise(self.dense_out)
            self.dense = nn.Sequential(*(WinogradDenseBlock(block) for block in self.dense))
        for module in list(self.modules()):
            if isinstance(module, ConvBlock):
                module.fuse(winograd=winograd)
            elif isinstance(module, GroupLinear | DenseBlock):
                module.fuse()

    def features(self, spectrogram: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalised, compressed features: [batch, frames, low bins, 3] and [batch, frames, high bands]."""
        real, imag = spectrogram.real, spectrogram.imag
        power = real.square() + imag.square()  # [batch, frames, bins]
        frame_power = power.mean(dim=-1)
        level = local_level(frame_power)
        if not self.training:
            level = settled_level(frame_power, level)
        level = level[..., None]  # [batch, frames, 1]
        low = (power[..., :LOW_BINS] / level + FEATURE_FLOOR).unsqueeze(-1)
        parts = torch.stack([real[..., :LOW_BINS], imag[..., :LOW_BINS]], dim=-1) / level.sqrt()[..., None]
        low = torch.cat([parts * low ** ((COMPRESSION - 1) / 2), low ** (COMPRESSION / 2)], dim=-1)
        high = (power[..., LOW_BINS:] / level) @ (self.high_matrix / self.high_matrix.sum(dim=0))
        return low, (high + FEATURE_FLOOR) ** (COMPRESSION / 2)

    @staticmethod
    def _section_input(section: Section, low: Tensor, high: Tensor) -> Tensor:
        if section.complex_filter:
            return low[:, :, section.start : section.stop].flatten(2)
        return high[:, :, section.start - LOW_BINS : section.stop - LOW_BINS]

    def _filter(self, x: Tensor) -> Filter:
        """Return the filter from the last features [batch, frames, groups, channels]."""
        low: list[Tensor] = []
        high: list[Tensor] = []
        first = 0
        for section, decode in zip(SECTIONS, self.decoders, strict=True):
            values = decode(x[:, :, first : first + section.groups])
            (low if section.complex_filter else high).append(values)
            first += section.groups
        parts = torch.cat(low, dim=2)
        taps = torch.view_as_complex(parts.view(*parts.shape[:-1], FILTER_TAPS, 2))  # [batch, frames, low bins, taps]
        gains = torch.cat(high, dim=2).squeeze(-1) @ self.high_matrix.T  # [batch, frames, high bins]
        gains = self.gain_floor + (1 - self.gain_floor) * gains.float()  # mixed precision gives half-precision products
        return Filter(taps[..., 0], taps[..., 1:], gains)


def local_level(frame_power: Tensor) -> Tensor:
    """Return the mean power around each frame [batch, frames], by which the features become independent of loudness."""
    mean = functional.avg_pool1d(
        frame_power[:, None], LEVEL_FRAMES, stride=1, padding=LEVEL_FRAMES // 2, count_include_pad=False
    )
    return mean[:, 0] + LEVEL_FLOOR


def settled_level(frame_power: Tensor, level: Tensor) -> Tensor:
    """Return levels [batch, frames] without the influence of a much louder neighbouring stretch.

    Next to a speaker 20 dB louder, the mean over both sides is the level of that speaker, and the network would take
    the soft voice for reverberation. If the second before or after a frame is far below the mean, the frame is levelled
    with that second, unless the frame itself is loud. This applies only if the second rises and falls as speech does;
    steady noise must not be amplified. All other levels stay the same, to the bit.
    """
    half = LEVEL_FRAMES // 2
    padded = functional.pad(frame_power[:, None], (half, half), mode="replicate")[:, 0]
    seconds = padded.unfold(1, half + 1, 1)  # [batch, frames + half, frames of a second]
    means, pauses = seconds.mean(-1), seconds.kthvalue(int(PAUSE_SHARE * (half + 1)), -1).values
    before, behind = means[:, :-half], means[:, half:]
    softer = torch.minimum(before, behind) + LEVEL_FLOOR
    pause = torch.where(before < behind, pauses[:, :-half], pauses[:, half:]) + LEVEL_FLOOR
    itself = functional.max_pool1d(frame_power[:, None], 3, stride=1, padding=1)[:, 0]
    own = torch.maximum(softer, itself)
    moved = _ramp(_decibels(level / own), APART_DB) * _ramp(_decibels(softer / pause), PAUSE_DB)
    moved = moved * (1 - _ramp(_decibels(own / softer), ALONE_DB))
    return torch.where(moved > 0, level * (own / level) ** moved, level)


def _decibels(ratio: Tensor) -> Tensor:
    return 10 * ratio.log10()


def _ramp(values: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Return 0 up to the first bound, 1 from the second on, linear in between."""
    return ((values - bounds[0]) / (bounds[1] - bounds[0])).clamp(0, 1)


def _blocks(channels: int, dilations: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(*(ConvBlock(channels, dilation) for dilation in dilations))


def tupled(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table in which all lists, also nested ones, are tuples."""
    return {key: _tuple(value) for key, value in table.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value

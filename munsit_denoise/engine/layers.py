"""The layers of the mask network.

Dilated residual convolutions follow Bai, Kolter and Koltun, "An empirical evaluation of generic convolutional and
recurrent networks for sequence modeling" (2018).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_eval, fuse_linear_bn_eval

from munsit_denoise.engine.bands import FILTER_TAPS, Section
from munsit_denoise.engine.winograd import NOT_PLAIN, WinogradConv2d

TAPS = 3  # of every convolution over time
OPEN_GATE = 4.0  # before the sigmoid: a gain of 0.98


class GroupLinear(nn.Module):
    """A linear layer for each group of a section: [batch, frames, groups, in] to [batch, frames, groups, out]."""

    def __init__(self, groups: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(groups, in_features, out_features) / in_features**0.5)
        self.bias = nn.Parameter(torch.zeros(groups, out_features))
        self.conv: nn.Conv2d | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the matrix of each group."""
        if self.conv is None:
            return torch.einsum("btgi,gio->btgo", x, self.weight) + self.bias
        batch, frames, groups, _ = x.shape
        y: Tensor = self.conv(x.reshape(batch, 1, frames, -1).permute(0, 3, 1, 2))  # channels last, as before
        return y.permute(0, 2, 3, 1).reshape(batch, frames, groups, -1)

    def fuse(self) -> None:
        """Turn the matrices into one grouped convolution, for inference only: twice as fast as separate products."""
        groups, in_features, out_features = self.weight.shape
        self.conv = nn.Conv2d(groups * in_features, groups * out_features, 1, dilation=NOT_PLAIN, groups=groups)
        self.conv.weight = nn.Parameter(self.weight.detach().mT.reshape(-1, in_features, 1, 1))
        self.conv.bias = nn.Parameter(self.bias.detach().flatten())


class SectionEncoder(nn.Module):
    """Maps the features of a section to one vector for each group."""

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
    """Maps one vector for each group to the filters or gains of its bands.

    The filters of a group share a gain, which can close all taps at once in a pause.
    """

    def __init__(self, section: Section, channels: int) -> None:
        super().__init__()
        self.section = section
        self.hidden = GroupLinear(section.groups, channels, 2 * channels)
        self.out = GroupLinear(section.groups, 2 * channels, section.outputs)
        with torch.no_grad():  # start near the identity: a real part or gain of tanh(1.5) or sigmoid(1.5)
            self.out.weight.mul_(0.1)
            self.out.bias[:, :: 2 * FILTER_TAPS if section.complex_filter else 1] = 1.5
            if section.complex_filter:
                self.out.bias[:, -1] = OPEN_GATE

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, groups, channels] to [batch, frames, bands, values].

        The values are taps from -1 to 1, or gains from 0 to 1.
        """
        y = self.out(functional.silu(self.hidden(x), inplace=not self.training)).float()
        if self.section.complex_filter:
            y = (2 * (2 * y[..., :-1]).sigmoid() - 1) * y[..., -1:].sigmoid()  # this is tanh, but ten times as fast
        else:
            y = y.sigmoid()
        batch, frames = y.shape[:2]
        bands = self.section.groups * self.section.width
        shaped: Tensor = y.reshape(batch, frames, bands, -1)
        return shaped


class ConvBlock(nn.Module):
    """A residual convolution over three groups, and over three frames that are `dilation` apart."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(
            channels, channels, (TAPS, 3), padding=(dilation, 1), dilation=(dilation, 1), bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, frames, groups] to the same shape."""
        return functional.silu(self.norm(self.conv(x)), inplace=not self.training).add_(x)

    def fuse(self, *, winograd: bool) -> None:
        """Fold the normalisation into the convolution, for inference only."""
        assert isinstance(self.conv, nn.Conv2d)  # not fused yet
        assert isinstance(self.norm, nn.BatchNorm2d)
        conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
        self.conv, self.norm = WinogradConv2d(conv) if winograd else conv, nn.Identity()


class DenseBlock(nn.Module):
    """A residual convolution over three frames that are `dilation` apart, dense in all features of a frame.

    It is one product of the concatenated frames; its backward pass takes a third of that of a dilated convolution.
    """

    def __init__(self, features: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.linear = nn.Linear(TAPS * features, features, bias=False)
        self.norm: nn.Module = nn.BatchNorm1d(features)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, features] to the same shape."""
        frames = x.shape[1]
        padded = functional.pad(x, (0, 0, self.dilation, self.dilation))
        starts = range(0, TAPS * self.dilation, self.dilation)
        y = self.linear(torch.cat([padded[:, start : start + frames] for start in starts], dim=-1))
        return functional.silu(self.norm(y.flatten(0, 1)).view_as(x), inplace=not self.training).add_(x)

    def fuse(self) -> None:
        """Fold the normalisation into the product, for inference only."""
        assert isinstance(self.norm, nn.BatchNorm1d)  # not fused yet
        self.linear, self.norm = fuse_linear_bn_eval(self.linear.eval(), self.norm.eval()), nn.Identity()


class WinogradDenseBlock(nn.Module):
    """A trained dense block that uses Winograd's minimal filtering."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        assert isinstance(block, DenseBlock)  # not fused yet
        block.fuse()
        features, dilation = block.linear.out_features, block.dilation
        conv = nn.Conv2d(features, features, (TAPS, 1), dilation=(dilation, 1))
        conv.weight = nn.Parameter(block.linear.weight.detach().view(features, TAPS, features).mT[..., None])
        conv.bias = block.linear.bias
        self.conv = WinogradConv2d(conv)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, features] to the same shape."""
        y: Tensor = self.conv(as_image(x)).permute(0, 2, 3, 1).squeeze(2)
        return functional.silu(y, inplace=True).add_(x)


class Pointwise(nn.Module):
    """A trained linear layer over [batch, frames, features] as a convolution, which is faster in single precision."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        assert isinstance(linear, nn.Linear)  # not fused yet
        self.weight, self.bias = nn.Parameter(linear.weight.detach()[..., None, None]), linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, in] to [batch, frames, out]."""
        y = functional.conv2d(as_image(x), self.weight, self.bias, dilation=NOT_PLAIN)
        return y.permute(0, 2, 3, 1).squeeze(2)


def as_image(x: Tensor) -> Tensor:
    """Return [batch, frames, features] as [batch, features, frames, 1], channels last in memory."""
    return x[:, :, None].permute(0, 3, 1, 2)


class Downsample(nn.Module):
    """Merges pairs of groups into one, and adds an embedding of the position on the frequency axis."""

    def __init__(self, channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, (1, 2), stride=(1, 2))
        self.position = nn.Parameter(torch.zeros(out_channels, 1, groups // 2))

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, frames, groups] to [batch, out channels, frames, groups / 2]."""
        out: Tensor = self.conv(x) + self.position
        return out


class Upsample(nn.Module):
    """Splits each group into two."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, out_channels, (1, 2), stride=(1, 2))
        nn.init.normal_(self.conv.weight, std=0.3 * channels**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, frames, groups] to [batch, out channels, frames, 2 * groups].

        It is one matrix product: with channels last, the two groups that a group becomes are adjacent in memory. It
        takes a third of the time of a transposed convolution.
        """
        batch, _, frames, groups = x.shape
        weight = self.conv.weight.permute(3, 1, 0, 2).flatten(0, 1)[..., None]  # [2 * out channels, channels, 1, 1]
        assert self.conv.bias is not None
        y = functional.conv2d(x, weight, self.conv.bias.repeat(2), dilation=NOT_PLAIN)
        return y.permute(0, 2, 3, 1).reshape(batch, frames, 2 * groups, -1).permute(0, 3, 1, 2)

"""Convolutions over three frames with half of the products: Winograd's minimal filtering F(4, 3) along time.

Four outputs of three taps take six products instead of twelve (Winograd, "Arithmetic complexity of computations", 1980;
Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016). The additional sums have a rounding error of
about 1e-6 in single precision, so only that uses them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

TAPS = 3
OUTPUTS = 4  # in a tile
POINTS = OUTPUTS + TAPS - 1  # input frames of a tile, and its products
FROM_TAPS = (  # the factor of each product from the three taps: interpolation at 0, 1, -1, 2, -2 and infinity
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
NOT_PLAIN = 2  # as dilation of a kernel of one, without effect; otherwise PyTorch avoids oneDNN on a single thread
IN_ALL = 1  # this product is in each output once, so the bias is added here


class WinogradConv2d(nn.Module):
    """A trained convolution over three dilated frames and neighbouring groups, for inference on a CPU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.dilation, self.groups_padding = conv.dilation[0], conv.kernel_size[1] // 2
        points = transformed(conv.weight.detach().movedim(2, -1)).unsqueeze(3)  # [6, out, in, 1, kernel over groups]
        self.points = nn.ParameterList(p.contiguous(memory_format=torch.channels_last) for p in points.unbind())
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, frames, groups], channels last in memory, to the same shape."""
        return minimal_filtering(x.permute(0, 2, 3, 1), self.dilation, self._product).permute(0, 3, 1, 2)

    def _product(self, point: int, x: Tensor) -> Tensor:
        bias, padding = self.bias if point == IN_ALL else None, (0, self.groups_padding)
        y = functional.conv2d(x.permute(0, 3, 1, 2), self.points[point], bias, padding=padding, dilation=(NOT_PLAIN, 1))
        return y.permute(0, 2, 3, 1)


def transformed(weight: Tensor) -> Tensor:
    """Return the factors [6, ...] of a kernel [..., 3 taps]."""
    matrix = torch.tensor(FROM_TAPS, dtype=torch.float64)
    return torch.einsum("...t,pt->p...", weight.double(), matrix).to(weight.dtype).contiguous()


def minimal_filtering(x: Tensor, dilation: int, product: Callable[[int, Tensor], Tensor]) -> Tensor:
    """Convolve [batch, frames, ...] over three frames that are `dilation` apart, with zeros beyond the ends.

    `product` takes the number of a product and its input [batch, frames / 4, ...], and returns the product.
    """
    batch, frames, *rest = x.shape
    tiles = -(-frames // (OUTPUTS * dilation))
    after = tiles * OUTPUTS * dilation - frames + dilation
    silence = [x.new_zeros(batch, length, *rest) for length in (dilation, after)]
    padded = torch.cat([silence[0], x, silence[1]], dim=1)  # one pass over memory; padding each side takes two
    stride = padded.stride()
    d = [
        padded.as_strided(
            (batch, tiles, dilation, *rest),
            (stride[0], OUTPUTS * dilation * stride[1], *stride[1:]),
            point * dilation * stride[1],
        )
        for point in range(POINTS)
    ]
    m = [product(i, v.view(batch, tiles * dilation, *rest)) for i, v in enumerate(_points(d))]
    return _outputs([v.view(batch, tiles, dilation, *v.shape[2:]) for v in m]).flatten(1, 3)[:, :frames]


def _points(d: list[Tensor]) -> list[Tensor]:
    """Return the input of each product from the six frames of each tile."""
    a, b = torch.sub(d[4], d[2], alpha=4), torch.sub(d[3], d[1], alpha=4)
    c, e = d[4] - d[2], d[3] - d[1]
    first = torch.add(a - d[2], d[0], alpha=4)
    last = (d[5] - d[3]).sub_(e, alpha=4)
    return [first, a + b, a.sub_(b), torch.add(c, e, alpha=2), c.sub_(e, alpha=2), last]


def _outputs(m: list[Tensor]) -> Tensor:
    """Return [batch, tiles, 4, dilation, ...] from the six products."""
    near, far = (m[1] + m[2], m[1].sub_(m[2])), (m[3] + m[4], m[3].sub_(m[4]))
    batch, tiles, *rest = m[0].shape
    y = m[0].new_empty(batch, tiles, OUTPUTS, *rest)
    torch.add(m[0].add_(near[0]), far[0], out=y[:, :, 0])
    torch.add(near[1], far[1], alpha=2, out=y[:, :, 1])
    torch.add(near[0], far[0], alpha=4, out=y[:, :, 2])
    torch.add(m[5].add_(near[1]), far[1], alpha=8, out=y[:, :, 3])
    return y

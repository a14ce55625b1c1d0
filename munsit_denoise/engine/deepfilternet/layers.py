"""What DeepFilterNet3 is built of. Layers that look back are handed what they saw before, and return what to keep."""

import torch
from torch import Tensor, nn
from torch.nn import functional

Tensors = dict[str, Tensor]  # of an ONNX file, by name


class Convolution(nn.Module):
    """A convolution over bands, depthwise and then pointwise or either alone, with what comes behind it."""

    def __init__(self, tensors: Tensors, names: tuple[str, ...], *, stride: int = 1, up: bool = False) -> None:
        """`names` are those of a weight, of a weight and a bias, or of two weights and the second one's bias."""
        super().__init__()
        self.weights = nn.ParameterList(tensors[name] for name in names if tensors[name].dim() > 1)
        self.bias = nn.Parameter(tensors[names[-1]])
        self.stride, self.up = stride, up

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, channels, frames, bands] to as many bands, half as many, or twice as many."""
        for number, weight in enumerate(self.weights, start=1):
            bias = self.bias if number == len(self.weights) else None
            padding, first = (0, weight.shape[-1] // 2), number == 1
            if self.up and first:
                x = functional.conv_transpose2d(
                    x, weight, bias, (1, self.stride), padding, (0, self.stride - 1), groups=x.shape[1]
                )
            else:
                groups = x.shape[1] // weight.shape[1]
                stride = self.stride if first else 1
                x = functional.conv2d(x, weight, bias, (1, stride), padding, groups=groups)
        return x


class GroupedLinear(nn.Module):
    """A matrix for each group of features, and nothing between groups."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)  # [groups, in, out]

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, features] to another number of features."""
        groups, width, _ = self.weight.shape
        y = torch.einsum("btgi,gio->btgo", x.reshape(*x.shape[:2], groups, width), self.weight)
        return y.flatten(2)


class Recurrence(nn.Module):
    """Gated recurrent units, one layer after the other, with their own memories."""

    def __init__(self, layers: list[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Each layer is ONNX's weights of the input [1, 3 units, in], of the memory, and its biases [1, 6 units]."""
        super().__init__()
        inputs, units = layers[0][0].shape[2], layers[0][1].shape[2]
        self.gru = nn.GRU(inputs, units, len(layers), batch_first=True)
        for number, (of_input, of_memory, biases) in enumerate(layers):
            first, second = biases[0].chunk(2)
            for name, value in (
                ("weight_ih", of_input[0]),
                ("weight_hh", of_memory[0]),
                ("bias_ih", first),
                ("bias_hh", second),
            ):
                update, reset, new = value.chunk(3)  # ONNX's order of the gates; PyTorch's begins with the reset
                getattr(self.gru, f"{name}_l{number}").data = torch.cat([reset, update, new])

    def forward(self, x: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map [batch, frames, features] to [batch, frames, units] and the memory behind the last frame."""
        y, memory = self.gru(x, memory)
        return y, memory


def behind(before: Tensor | None, x: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Return [batch, channels, frames, bands] with so many frames from before, and what the next piece needs of it."""
    if before is None:
        before = x.new_zeros(*x.shape[:2], frames, x.shape[3])
    joined = torch.cat([before, x], dim=2)
    return joined, joined[:, :, joined.shape[2] - frames :]

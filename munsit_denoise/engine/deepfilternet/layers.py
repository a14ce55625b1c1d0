"""The layers of DeepFilterNet3. A layer that looks back takes what it saw before, and returns what to keep."""

import torch
from torch import Tensor, nn
from torch.nn import functional

Tensors = dict[str, Tensor]  # of an ONNX file, by name


class Convolution(nn.Module):
    """A convolution over bands (depthwise, pointwise or both) with its activation."""

    def __init__(self, tensors: Tensors, names: tuple[str, ...], *, stride: int = 1, up: bool = False) -> None:
        """`names` are those of a weight; of a weight and a bias; or of two weights and the bias of the second."""
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
    """A linear layer in groups of features, with no connections between groups."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)  # [groups, in, out]

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, features] to another number of features."""
        groups, width, _ = self.weight.shape
        y = torch.einsum("btgi,gio->btgo", x.reshape(*x.shape[:2], groups, width), self.weight)
        return y.flatten(2)


class Recurrence(nn.Module):
    """A stack of gated recurrent units, each with its own state."""

    def __init__(self, layers: list[tuple[Tensor, Tensor, Tensor]]) -> None:
        """For each layer: ONNX's input weights [1, 3 units, in], recurrent weights, and biases [1, 6 units]."""
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
                update, reset, new = value.chunk(3)  # ONNX's order of the gates; PyTorch has reset first
                getattr(self.gru, f"{name}_l{number}").data = torch.cat([reset, update, new])

    def forward(self, x: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map [batch, frames, features] to [batch, frames, units] and the state after the last frame."""
        y, memory = self.gru(x, memory)
        return y, memory


def behind(before: Tensor | None, x: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Return [batch, channels, frames, bands] preceded by earlier frames, and the frames to keep for the next piece."""
    if before is None:
        before = x.new_zeros(*x.shape[:2], frames, x.shape[3])
    joined = torch.cat([before, x], dim=2)
    return joined, joined[:, :, joined.shape[2] - frames :]

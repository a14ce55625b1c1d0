"""DeepFilterNet3: gains for ERB bands, and filters over time below 4.8 kHz, for a stream in pieces."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from munsit_denoise.engine.deepfilternet.layers import Convolution, GroupedLinear, Recurrence, Tensors, behind

SEEN_BEFORE = 2  # earlier frames that the first convolutions read
FILTERS_SEE = 4  # earlier frames that the branch around the recurrent layers reads
EMB_BANDS = 8  # of the encoder's innermost features


@dataclass
class Memory:
    """State of the network between two pieces of a stream; None before the first."""

    erb: Tensor | None = None
    low: Tensor | None = None
    past: Tensor | None = None  # earlier frames for the filters
    encoder: Tensor | None = None
    gains: Tensor | None = None
    filters: Tensor | None = None


class Network(nn.Module):
    """Maps the features of a piece to the gains and filters of its frames."""

    def __init__(self, encoder: Tensors, gains: Tensors, filters: Tensors) -> None:
        super().__init__()
        self.encoder = _Encoder(encoder)
        self.gains = _Gains(gains)
        self.filters = _Filters(filters)

    def forward(self, erb: Tensor, low: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Map [batch, 1, frames, ERB bands] and [batch, 2, frames, filter bins] to gains and taps.

        They are [batch, frames, ERB bands] and [batch, frames, filter bins, 2 * taps]. Updates `memory`.
        """
        scales, low, embedding = self.encoder(erb, low, memory)
        return self.gains(embedding, scales, memory), self.filters(embedding, low, memory)


class _Encoder(nn.Module):
    def __init__(self, t: Tensors) -> None:
        super().__init__()
        self.erb = nn.ModuleList(
            [
                Convolution(t, ("onnx::Conv_282", "onnx::Conv_283")),
                Convolution(t, ("erb_conv1.0.weight", "onnx::Conv_285", "onnx::Conv_286"), stride=2),
                Convolution(t, ("erb_conv2.0.weight", "onnx::Conv_288", "onnx::Conv_289"), stride=2),
                Convolution(t, ("erb_conv3.0.weight", "onnx::Conv_291", "onnx::Conv_292")),
            ]
        )
        self.low = Convolution(t, ("df_conv0.1.weight", "onnx::Conv_294", "onnx::Conv_295"))
        self.lower = Convolution(t, ("df_conv1.0.weight", "onnx::Conv_297", "onnx::Conv_298"), stride=2)
        self.low_embedding = GroupedLinear(t["df_fc_emb.0.weight"])
        self.linear_in = GroupedLinear(t["emb_gru.linear_in.0.weight"])
        self.linear_out = GroupedLinear(t["emb_gru.linear_out.0.weight"])
        self.recurrence = Recurrence([_unit(t, (3, 4, 5))])

    def forward(self, erb: Tensor, low: Tensor, memory: Memory) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return the features of each scale, those for the filters, and [batch, frames, features] for both decoders."""
        x, memory.erb = behind(memory.erb, erb, SEEN_BEFORE)
        scales = []
        for convolution in self.erb:
            x = functional.relu(convolution(x))
            scales.append(x)
        seen, memory.low = behind(memory.low, low, SEEN_BEFORE)
        low = functional.relu(self.low(seen))
        lower = functional.relu(self.lower(low))
        x = _flat(scales[-1]) + functional.relu(self.low_embedding(_flat(lower)))
        x, memory.encoder = self.recurrence(functional.relu(self.linear_in(x)), memory.encoder)
        return scales, low, functional.relu(self.linear_out(x))


class _Gains(nn.Module):
    def __init__(self, t: Tensors) -> None:
        super().__init__()
        self.linear_in = GroupedLinear(t["emb_gru.linear_in.0.weight"])
        self.linear_out = GroupedLinear(t["emb_gru.linear_out.0.weight"])
        self.recurrence = Recurrence([_unit(t, (3, 4, 5)), _unit(t, (9, 10, 11))])
        beside = ((306, 307), (300, 301), (294, 295), (288, 289))  # skip connections of the scales, the widest first
        self.beside = nn.ModuleList(Convolution(t, tuple(f"onnx::Conv_{n}" for n in names)) for names in beside)
        self.up = nn.ModuleList(
            [
                Convolution(t, ("convt1.0.weight", "onnx::Conv_303", "onnx::Conv_304"), stride=2, up=True),
                Convolution(t, ("convt2.0.weight", "onnx::Conv_297", "onnx::Conv_298"), stride=2, up=True),
                Convolution(t, ("convt3.0.weight", "onnx::Conv_291", "onnx::Conv_292")),
            ]
        )
        self.out = Convolution(t, ("onnx::Conv_309", "onnx::Conv_310"))

    def forward(self, embedding: Tensor, scales: list[Tensor], memory: Memory) -> Tensor:
        """Return gains from 0 to 1 [batch, frames, ERB bands]."""
        x, memory.gains = self.recurrence(functional.relu(self.linear_in(embedding)), memory.gains)
        x = functional.relu(self.linear_out(x))
        x = x.reshape(*x.shape[:2], EMB_BANDS, -1).permute(0, 3, 1, 2)
        for scale in (3, 2, 1):
            x = functional.relu(self.beside[scale](scales[scale])) + x
            x = functional.relu(self.up[scale - 1](x))
        x = functional.relu(self.beside[0](scales[0])) + x
        gains: Tensor = torch.sigmoid(self.out(x))
        return gains[:, 0]


class _Filters(nn.Module):
    def __init__(self, t: Tensors) -> None:
        super().__init__()
        self.linear_in = GroupedLinear(t["df_gru.linear_in.0.weight"])
        names = (("291", "292", "293"), ("311", "312", "313"))
        self.recurrence = Recurrence([tuple(t[f"onnx::GRU_{n}"] for n in layer) for layer in names])  # type: ignore[misc]
        self.skip = GroupedLinear(t["df_skip.weight"])
        self.out = GroupedLinear(t["df_out.0.weight"])
        self.over_time = Convolution(t, ("df_convp.1.weight", "onnx::Conv_268", "onnx::Conv_269"))

    def forward(self, embedding: Tensor, low: Tensor, memory: Memory) -> Tensor:
        """Return the real and imaginary parts of the taps [batch, frames, filter bins, 2 * taps]."""
        x, memory.filters = self.recurrence(functional.relu(self.linear_in(embedding)), memory.filters)
        found = torch.tanh(self.out(x + self.skip(embedding)))
        seen, memory.past = behind(memory.past, low, FILTERS_SEE)
        past = functional.relu(self.over_time(seen)).permute(0, 2, 3, 1)
        return found.reshape(past.shape) + past


def _flat(x: Tensor) -> Tensor:
    """Return [batch, channels, frames, bands] as [batch, frames, bands * channels]."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _unit(t: Tensors, numbers: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights and biases of a recurrent layer, which the file holds as constants."""
    of_input, of_memory, biases = (t[f"/emb_gru/Constant_{number}_output_0"] for number in numbers)
    return of_input, of_memory, biases

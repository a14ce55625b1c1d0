"""A published ONNX graph as a PyTorch module, for any device: ONNX Runtime's wheel computes on the CPU alone.

It knows the operators of the networks that are used as teachers, no more; a graph with another one is refused when it
is opened. What is computed of shapes stays on the CPU.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Attributes = dict[str, Any]
INT64 = 7  # of ONNX's data types


class OnnxGraph(nn.Module):
    """The graph of a model file; its outputs are computed from its inputs by name."""

    def __init__(self, model: Any) -> None:  # onnx.ModelProto
        """Take over constants and nodes. Raises ValueError for an operator that is not known."""
        from onnx import helper, numpy_helper  # here, as no other run needs it

        super().__init__()
        self.places: dict[str, str] = {}  # of constants, as buffers may not have every name
        self.nodes: list[tuple[str, list[str], list[str], Attributes]] = []
        self.recurrent = nn.ModuleDict()  # layers, by the name of what they make
        for initializer in model.graph.initializer:
            self._keep(initializer.name, numpy_helper.to_array(initializer))
        for node in model.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            needed = list(node.input)
            if node.op_type == "Constant":
                self._keep(node.output[0], numpy_helper.to_array(attributes["value"]))
                continue
            if node.op_type == "GRU":
                weight, recurrent, bias = (getattr(self, self.places[name]) for name in needed[1:4])
                self.recurrent[_key(node.output[0])] = _gru(weight, recurrent, bias, attributes)
                needed = [needed[0], needed[5]]  # the sequence and the first state
            elif node.op_type not in OPERATORS:
                raise ValueError(f"the operator {node.op_type} is not known")
            if "value" in attributes:
                attributes["value"] = torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
            self.nodes.append((node.op_type, needed, list(node.output), attributes))

    def _keep(self, name: str, value: Any) -> None:
        tensor = torch.from_numpy(value.copy())
        self.places[name] = f"constant_{len(self.places)}"
        if tensor.is_floating_point():
            self.register_buffer(self.places[name], tensor)
        else:  # of a shape: it stays on the CPU
            setattr(self, self.places[name], tensor)

    def forward(self, names: tuple[str, ...], inputs: dict[str, Tensor]) -> list[Tensor]:
        """Return the values of these names for inputs by name."""
        values: dict[str, Tensor] = {name: getattr(self, place) for name, place in self.places.items()} | inputs
        for operator, needed, made, attributes in self.nodes:
            if all(name in values for name in names):
                break
            given = [values[name] for name in needed]
            if operator == "GRU":
                sequence, state = given  # [frames, batch, features]; [1, 1, hidden], of a graph for one stream
                state = state.to(sequence.device).expand(1, sequence.shape[1], -1).contiguous()
                y, values[made[1]] = self.recurrent[_key(made[0])](sequence, state)
                values[made[0]] = y[:, None]
            else:
                values[made[0]] = OPERATORS[operator](given, attributes)
        return [values[name] for name in names]


def _key(name: str) -> str:
    """Return a name as a module may have it."""
    return name.replace(".", "_")


def _gru(weight: Tensor, recurrent: Tensor, bias: Tensor, attributes: Attributes) -> nn.GRU:
    """Return the layer whose weights are [1, 3 hidden, in], [1, 3 hidden, hidden] and [1, 6 hidden]."""
    assert attributes["linear_before_reset"] == 1  # as PyTorch computes it
    hidden: int = attributes["hidden_size"]
    layer = nn.GRU(weight.shape[2], hidden)
    order = torch.arange(3 * hidden).view(3, hidden)[[1, 0, 2]].flatten()  # ONNX has the update gate before the reset
    values = weight[0], recurrent[0], bias[0, : 3 * hidden], bias[0, 3 * hidden :]
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), values, strict=True):
            parameter.copy_(value[order])
    return layer.requires_grad_(False)


def _conv(values: list[Tensor], attributes: Attributes) -> Tensor:
    before, after = attributes["pads"][:2], attributes["pads"][2:]
    assert before == after
    rest = attributes["strides"], before, attributes["dilations"], attributes["group"]
    return functional.conv2d(values[0], values[1], _bias(values), *rest)


def _conv_transpose(values: list[Tensor], attributes: Attributes) -> Tensor:
    rest = attributes["strides"], attributes["pads"][:2], attributes["output_padding"], attributes["group"]
    return functional.conv_transpose2d(values[0], values[1], _bias(values), *rest, attributes["dilations"])


def _bias(values: list[Tensor]) -> Tensor | None:
    return values[2] if len(values) > 2 else None


def _gather(values: list[Tensor], attributes: Attributes) -> Tensor:
    x, places = values
    return x.index_select(attributes.get("axis", 0), places.flatten()).view(places.shape)


def _slice(values: list[Tensor], _: Attributes) -> Tensor:
    x, *bounds = values
    starts, ends, axes, *steps = (bound.tolist() for bound in bounds)
    for start, end, axis, step in zip(starts, ends, axes, steps[0] if steps else [1] * len(axes), strict=True):
        place = (slice(None),) * (axis % x.dim())
        x = x.flip(axis) if step == -1 else x[(*place, slice(start, end, step))]
    return x


def _pad(values: list[Tensor], _: Attributes) -> Tensor:
    before, after = values[1].view(2, -1).tolist()
    pairs = [amount for pair in zip(reversed(before), reversed(after), strict=True) for amount in pair]
    return functional.pad(values[0], pairs)


def _reshape(values: list[Tensor], _: Attributes) -> Tensor:
    x, shape = values
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(shape.tolist())])


def _unsqueeze(values: list[Tensor], attributes: Attributes) -> Tensor:
    x = values[0]
    for axis in attributes["axes"]:
        x = x.unsqueeze(axis)
    return x


OPERATORS: dict[str, Callable[[list[Tensor], Attributes], Tensor]] = {
    "Add": lambda v, _: v[0] + v[1],
    "Cast": lambda v, a: v[0].long() if a["to"] == INT64 else v[0].float(),
    "Concat": lambda v, a: torch.cat(v, dim=a["axis"]),
    "ConstantOfShape": lambda v, a: a.get("value", torch.zeros(1)).expand(v[0].tolist()),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Einsum": lambda v, a: torch.einsum(a["equation"].decode(), *v),
    "Gather": _gather,
    "MatMul": lambda v, _: v[0] @ v[1],
    "Mul": lambda v, _: v[0] * v[1],
    "Pad": _pad,
    "Relu": lambda v, _: functional.relu(v[0]),
    "Reshape": _reshape,
    "Shape": lambda v, _: torch.tensor(v[0].shape),
    "Sigmoid": lambda v, _: v[0].sigmoid(),
    "Slice": _slice,
    "Squeeze": lambda v, a: v[0].squeeze(a["axes"]),
    "Tanh": lambda v, _: v[0].tanh(),
    "Transpose": lambda v, a: v[0].permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
}

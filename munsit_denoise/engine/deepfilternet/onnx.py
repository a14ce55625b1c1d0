"""Reads the tensors of an ONNX file by name, with the little of protocol buffers that this needs.

Field numbers are those of onnx.proto3: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

GRAPH = 7  # in a model
NODE, INITIALIZER = 1, 5  # in a graph
OUTPUT, ATTRIBUTE = 2, 5  # in a node
VALUE = 5  # in an attribute: a tensor
DIMS, DATA_TYPE, NAME, RAW_DATA = 1, 2, 8, 9  # in a tensor
FLOAT = 1  # the data type
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types
Value = int | bytes


def float_tensors(model: bytes) -> dict[str, Tensor]:
    """Return the float initialisers and constants of a model by name. Raises ValueError and IndexError."""
    found = {}
    for graph in _messages(model, GRAPH):
        for tensor in _messages(graph, INITIALIZER):
            found[_text(tensor, NAME)] = _tensor(tensor)
        for node in _messages(graph, NODE):
            for attribute in _messages(node, ATTRIBUTE):
                for tensor in _messages(attribute, VALUE):
                    found[_text(node, OUTPUT)] = _tensor(tensor)
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def _tensor(message: bytes) -> Tensor | None:
    fields: dict[int, list[Value]] = {}
    for number, value in _fields(message):
        fields.setdefault(number, []).append(value)
    raw = fields.get(RAW_DATA, [b""])[0]
    if fields.get(DATA_TYPE) != [FLOAT] or not raw or isinstance(raw, int):
        return None
    dims = [
        value for entry in fields.get(DIMS, []) for value in ([entry] if isinstance(entry, int) else _packed(entry))
    ]
    return torch.from_numpy(np.frombuffer(raw, "<f4").astype(np.float32).reshape(dims))


def _text(message: bytes, wanted: int) -> str:
    return next(_messages(message, wanted), b"").decode()


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    return (value for number, value in _fields(message) if number == wanted and isinstance(value, bytes))


def _fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the number and the value of each field: an integer, or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind, length = key & 7, 0
        if kind == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == LENGTH:
            length, at = _varint(message, at)
        elif kind in (FOUR_BYTES, EIGHT_BYTES):
            length = 4 if kind == FOUR_BYTES else 8
        else:
            raise ValueError(f"a field of the kind {kind} is none of ONNX")
        yield key >> 3, message[at : at + length]
        at += length


def _packed(message: bytes) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer and the position after it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at

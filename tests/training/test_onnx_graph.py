"""A graph computes in PyTorch what ONNX Runtime computes; one with an operator that is not known is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from training.onnx_graph import OnnxGraph

onnx = pytest.importorskip("onnx", reason="training/requirements.txt is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="training/requirements.txt is not installed")
IN, HIDDEN = 3, 4


def graph(*nodes: Any, **constants: np.ndarray) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["frames", "batch", IN])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    body = helper.make_graph(list(nodes), "graph", [x], [y], kept)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def test_a_recurrent_layer_computes_what_the_runtime_computes() -> None:
    from onnx import helper

    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    weights = {"w": drawn(1, 3 * HIDDEN, IN), "r": drawn(1, 3 * HIDDEN, HIDDEN), "b": drawn(1, 6 * HIDDEN)}
    layer = helper.make_node(
        "GRU", ["x", "w", "r", "b", "", "h"], ["all", "last"], hidden_size=HIDDEN, linear_before_reset=1
    )
    squeeze = helper.make_node("Squeeze", ["all"], ["y"], axes=[1])
    model = graph(layer, squeeze, h=np.zeros((1, 1, HIDDEN), np.float32), **weights)
    x = drawn(7, 1, IN)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(["y"], {"x": x})
    opened = OnnxGraph(model)
    (found,) = opened(("y",), {"x": torch.from_numpy(x)})
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)
    (both,) = opened(("y",), {"x": torch.from_numpy(x).expand(-1, 2, -1)})  # which the runtime refuses
    np.testing.assert_allclose(both[:, 1].numpy(), expected[:, 0], rtol=1e-5, atol=1e-6)


def test_an_operator_that_is_not_known_is_refused() -> None:
    from onnx import helper

    with pytest.raises(ValueError, match="Erf"):
        OnnxGraph(graph(helper.make_node("Erf", ["x"], ["y"])))

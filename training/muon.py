"""Muon for the network's matrices, AdamW for the other parameters.

Muon steps along the nearest orthogonal matrix of the gradient's moving mean, so rare directions are learned as fast as
common ones (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024). Steps are scaled to those
of AdamW (Liu et al., "Muon is scalable for LLM training", 2025). `torch.optim.Muon` takes only two-dimensional
parameters, but most parameters here are convolution kernels.
"""

from typing import Any

import torch
from torch import Tensor, nn

from munsit_denoise.engine.layers import ConvBlock, DenseBlock, Downsample, Upsample
from munsit_denoise.engine.model import MaskNetwork

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic polynomial that moves singular values towards one
ITERATIONS = 5
ADAMW_RMS = 0.2  # approximate root mean square of an AdamW step at a learning rate of one
WEIGHT_DECAY = 0.02
ADAMW_WEIGHT_DECAY = 1e-3


def matrices(network: MaskNetwork) -> list[Tensor]:
    """Return the kernels and matrices between encoders and decoders, which Muon optimises."""
    inner = (m for m in network.modules() if isinstance(m, ConvBlock | DenseBlock | Downsample | Upsample))
    layers = [
        layer for m in inner for layer in m.children() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    return [layer.weight for layer in (*layers, network.dense_in, network.dense_out)]


def orthogonalised(matrix: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """Return a matrix with the same singular vectors and singular values near one, by Newton-Schulz iteration.

    Its products are in `precision`; bfloat16 is sufficient, and much faster where the processor supports it.
    """
    a, b, c = COEFFICIENTS
    tall = len(matrix) > matrix.shape[1]
    x = ((matrix.T if tall else matrix) / (matrix.norm() + 1e-7)).to(precision)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = (x.T if tall else x).to(matrix.dtype)
    return result


class MuonAdamW(torch.optim.AdamW):
    """One optimiser with one learning rate for the whole network; Muon's products are in `precision`."""

    def __init__(self, network: MaskNetwork, learning_rate: float, precision: torch.dtype = torch.float32) -> None:
        self.matrices = matrices(network)
        mine = {id(p) for p in self.matrices}
        rest = [p for p in network.parameters() if id(p) not in mine]
        super().__init__(rest, lr=learning_rate, weight_decay=ADAMW_WEIGHT_DECAY)
        self.momentum, self.precision = 0.95, precision
        self.means = [torch.zeros_like(p) for p in self.matrices]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # there is no closure here
        """Update all parameters with the learning rate of the first group."""
        super().step(closure)
        rate = float(self.param_groups[0]["lr"])
        for parameter, mean in zip(self.matrices, self.means, strict=True):
            if parameter.grad is not None:
                mean.lerp_(parameter.grad, 1 - self.momentum)
                ahead = parameter.grad.lerp(mean, self.momentum).flatten(1)
                step = ADAMW_RMS * max(ahead.shape) ** 0.5 * orthogonalised(ahead, self.precision)
                parameter.mul_(1 - rate * WEIGHT_DECAY).sub_(rate * step.view_as(parameter))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters."""
        super().zero_grad(set_to_none)
        for parameter in self.matrices:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return AdamW's state and Muon's moving means."""
        return super().state_dict() | {"means": self.means}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        rest = dict(state_dict)
        self.means = [mean.clone() for mean in rest.pop("means")]
        super().load_state_dict(rest)

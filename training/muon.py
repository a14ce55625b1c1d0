"""Muon for the network's matrices, AdamW for the rest; processes that train together share the work.

Muon steps along the nearest orthogonal matrix of the gradient's moving mean, so that rare directions are learned
as fast as common ones (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024); steps are
scaled to AdamW's (Liu et al., "Muon is scalable for LLM training", 2025). `torch.optim.Muon` takes two-dimensional
parameters alone, and here most are kernels of convolutions.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from munsit_denoise.engine.layers import Block, DenseBlock, Downsample, Upsample
from munsit_denoise.engine.model import MaskNetwork

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that pushes singular values towards one
ITERATIONS = 5
ADAMW_RMS = 0.2  # root mean square of an AdamW step at a rate of one, about
WEIGHT_DECAY = 0.02
ADAMW_WEIGHT_DECAY = 1e-3

Gather = Callable[[Tensor], None]  # sums a tensor over all processes, in place


def matrices(network: MaskNetwork) -> list[Tensor]:
    """Return the kernels and matrices between encoders and decoders: what Muon is for."""
    inner = (m for m in network.modules() if isinstance(m, Block | DenseBlock | Downsample | Upsample))
    layers = [
        layer for m in inner for layer in m.children() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    return [layer.weight for layer in (*layers, network.dense_in, network.dense_out)]


def orthogonalised(matrix: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """Return a matrix with the same singular vectors and singular values near one, by Newton and Schulz.

    Its products are in `precision`: bfloat16 is enough, and many times as fast where the processor has it.
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
    """One optimiser with one learning rate for a whole network.

    Process `rank` of `world` orthogonalises its share of the matrices, in `precision`; `gather` brings the shares
    together.
    """

    def __init__(
        self,
        network: MaskNetwork,
        learning_rate: float,
        rank: int = 0,
        world: int = 1,
        gather: Gather | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.matrices = matrices(network)
        mine = {id(p) for p in self.matrices}
        rest = [p for p in network.parameters() if id(p) not in mine]
        super().__init__(rest, lr=learning_rate, weight_decay=ADAMW_WEIGHT_DECAY)
        self.momentum = 0.95
        self.means = [torch.zeros_like(p) for p in self.matrices]
        self._owners = _shared_out(self.matrices, world)
        self._rank, self._gather, self._precision = rank, gather, precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # nothing here computes a loss anew
        """Move all parameters by one step of the rate in the first group."""
        super().step(closure)
        rate = float(self.param_groups[0]["lr"])
        steps = torch.cat([self._step_of(number).flatten() for number in range(len(self.matrices))])
        if self._gather is not None:
            self._gather(steps)
        for parameter, step in zip(self.matrices, torch.split(steps, [p.numel() for p in self.matrices]), strict=True):
            parameter.mul_(1 - rate * WEIGHT_DECAY).sub_(rate * step.view_as(parameter))

    def _step_of(self, number: int) -> Tensor:
        parameter, mean = self.matrices[number], self.means[number]
        if parameter.grad is None:
            return torch.zeros_like(parameter)
        mean.lerp_(parameter.grad, 1 - self.momentum)
        if self._owners[number] != self._rank:
            return torch.zeros_like(parameter)
        ahead = parameter.grad.lerp(mean, self.momentum).flatten(1)
        scale: float = ADAMW_RMS * max(ahead.shape) ** 0.5
        return scale * orthogonalised(ahead, self._precision)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        super().zero_grad(set_to_none)
        for parameter in self.matrices:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return AdamW's state and the moving means."""
        return super().state_dict() | {"means": self.means}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state where it was left."""
        rest = dict(state_dict)
        self.means = [mean.clone() for mean in rest.pop("means")]
        super().load_state_dict(rest)


def _shared_out(parameters: Iterable[Tensor], world: int) -> list[int]:
    """Return which process orthogonalises each matrix, the work about equal."""
    loads = [0] * world
    owners = []
    for parameter in parameters:
        shape = parameter.flatten(1).shape
        owners.append(loads.index(min(loads)))
        loads[owners[-1]] += min(shape) ** 2 * max(shape)
    return owners

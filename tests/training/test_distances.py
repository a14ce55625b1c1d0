"""What the distances of the loss have in common."""

import pytest
import torch
from torch import nn

from tests.training.degraded import CLEAN, power, with_hiss
from training.losses.estoi import EstoiLoss
from training.losses.mel import MelLoss
from training.losses.pesq import PesqLoss


@pytest.mark.parametrize(
    ("measure", "snr_db", "length"), [(PesqLoss, 20, 0.05), (EstoiLoss, 0, 0.1), (MelLoss, 0, 0.1)]
)
def test_the_distance_falls_where_its_gradient_points(measure: type[nn.Module], snr_db: float, length: float) -> None:
    clean, noisy = power(CLEAN), power(with_hiss(snr_db))
    gain = torch.ones(noisy.shape, requires_grad=True)
    distance = measure()(noisy * gain, clean).sum()
    (gradient,) = torch.autograd.grad(distance, gain)
    stepped = gain.detach() - length * gradient / gradient.abs().max()
    assert measure()(noisy * stepped, clean).item() < distance.item()

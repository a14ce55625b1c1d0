"""Processes that train together: batches are shared out whole, gradients become their mean."""

import pytest
import torch
from torch import Tensor, nn

from training.parallel import Group


class WithAnother(Group):
    """The first of two processes; the other one's numbers are all 3."""

    def sum(self, tensor: Tensor) -> None:
        tensor += 3.0


def test_gradients_and_loss_become_their_mean() -> None:
    parameters = [nn.Parameter(torch.zeros(2, 1)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(4))]
    parameters[0].grad = torch.tensor([[1.0], [2.0]])
    parameters[2].grad = torch.full((4,), 5.0)
    assert WithAnother(0, 2).average_gradients(parameters, torch.tensor(7.0)) == 5
    assert torch.equal(parameters[0].grad, torch.tensor([[2.0], [2.5]]))
    assert parameters[1].grad is None
    assert torch.equal(parameters[2].grad, torch.full((4,), 4.0))


def test_items_are_shared_out_batch_by_batch() -> None:
    assert [Group(rank, 2).share(4, 12, 4) for rank in (0, 1)] == [[4, 5, 8, 9], [6, 7, 10, 11]]
    with pytest.raises(ValueError, match="not to be divided"):
        Group(0, 2).share(0, 9, 3)

"""Processes that train one network together: each takes its part of every batch, gradients are averaged."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Group:
    """One process's place among `world`; rank 0 keeps the averaged weights, the log and the checkpoints."""

    rank: int = 0
    world: int = 1

    def sum(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all processes."""
        if self.world > 1:
            dist.all_reduce(tensor)

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.world > 1:
            dist.barrier()

    def average_gradients(self, parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Replace gradients by their mean over all processes; return the mean loss."""
        if self.world == 1:
            return loss
        with_gradient = [p for p in parameters if p.grad is not None]
        flat = torch.cat([*(p.grad.flatten() for p in with_gradient if p.grad is not None), loss.detach().view(1)])
        self.sum(flat)
        flat /= self.world
        for parameter, mean in zip(
            with_gradient, torch.split(flat[:-1], [p.numel() for p in with_gradient]), strict=True
        ):
            parameter.grad = mean.view_as(parameter)
        return flat[-1]

    def share(self, first: int, stop: int, batch: int) -> Sequence[int]:
        """Return this process's items among `first` to `stop`: its part of each batch, of equal size for all.

        Raises ValueError when a batch has no such parts.
        """
        if batch % self.world:
            raise ValueError(f"a batch of {batch} is not to be divided by {self.world} processes")
        if self.world == 1:
            return range(first, stop)  # a run by the clock has millions, and each mixer would hold its copy
        own = batch // self.world
        return [item for item in range(first, stop) if item % batch // own == self.rank]


ALONE = Group()


def join_group(device: str) -> Group:
    """Join the processes that `torchrun` started; alone where it did not start this one."""
    if "WORLD_SIZE" not in os.environ:
        return ALONE
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    return Group(dist.get_rank(), dist.get_world_size())

"""Windows of several recordings in one call of the network: the same filters, and each its own failure and its stop."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from munsit_denoise.engine.batch import BatchingEnhancer
from munsit_denoise.engine.filter import Filter
from munsit_denoise.engine.masking import MaskEnhancer
from munsit_denoise.engine.stop import Stopped
from munsit_denoise.engine.weights import load_network
from tests.audio import hiss, voice

RATE_HZ, CPU = 8_000, torch.device("cpu")
POISON = 1e4


class Gate(torch.nn.Module):
    """The network, behind a gate, and what it was shown."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.inner, self.size = network, network.size
        self.open, self.entered = threading.Event(), threading.Event()
        self.shown: list[int] = []

    def forward(self, spectrogram: torch.Tensor, *edges: int) -> Filter:
        self.entered.set()
        assert self.open.wait(20)
        self.shown.append(len(spectrogram))
        if spectrogram.abs().max() > POISON:
            raise ZeroDivisionError
        found: Filter = self.inner(spectrogram, *edges)
        return found


@pytest.fixture(scope="module")
def network() -> Any:
    return load_network(CPU)


def window(channels: int, seconds: int = 5, seed: int = 0) -> torch.Tensor:
    noisy = [voice(seconds, RATE_HZ) / (c + 1) + hiss(seconds * RATE_HZ, seed=seed + c) for c in range(channels)]
    return torch.from_numpy(np.stack(noisy))


def until_waiting(enhancer: BatchingEnhancer, count: int) -> None:
    for _ in range(2000):
        if len(enhancer._waiting) == count:
            return
        threading.Event().wait(0.01)
    raise TimeoutError


def test_what_comes_while_the_network_is_in_use_goes_in_together_and_is_as_alone(network: Any) -> None:
    gate = Gate(network)
    batching, alone = BatchingEnhancer(gate, CPU), MaskEnhancer(network, CPU)  # type: ignore[arg-type]
    windows = [window(1), window(1, seed=3), window(2, seed=5), window(1, seconds=6, seed=9)]
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batching.enhance, windows[0], RATE_HZ, 1.0)
        assert gate.entered.wait(20)
        others = [pool.submit(batching.enhance, other, RATE_HZ, 1.0) for other in windows[1:]]
        until_waiting(batching, 3)
        gate.open.set()
        found = [future.result() for future in (first, *others)]
    assert sorted(gate.shown) == [1, 1, 3]  # the longer one goes by itself
    for one, own in zip(windows, found, strict=True):
        assert torch.allclose(own, alone.enhance(one, RATE_HZ, 1.0), atol=1e-5)


def test_one_that_fails_fails_alone_and_one_that_is_stopped_leaves_at_once(network: Any) -> None:
    gate = Gate(network)
    batching = BatchingEnhancer(gate, CPU)  # type: ignore[arg-type]
    good = [batching.prepare(window(1, seed=seed), RATE_HZ).spectrogram for seed in range(3)]
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batching.find_filters, good[0])
        assert gate.entered.wait(20)
        bad = pool.submit(batching.find_filters, good[1] + 2 * POISON)
        well = pool.submit(batching.find_filters, good[2])
        stopped = pool.submit(batching.find_filters, good[1], stop.is_set)
        until_waiting(batching, 3)
        stop.set()
        with pytest.raises(Stopped):
            stopped.result(10)  # while the network is still in use
        gate.open.set()
        with pytest.raises(ZeroDivisionError):
            bad.result(20)
        assert len(first.result(20).mask) == len(well.result(20).mask) == 1
    assert gate.shown == [1, 2, 1, 1]

"""One window in three steps, windows of many channels, and how a recording is left."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from munsit_denoise.engine.conformance import ShortWindows
from munsit_denoise.engine.filter import Filter
from munsit_denoise.engine.filter_sharing import MAX_CHANNELS as MOST_TOGETHER
from munsit_denoise.engine.filter_sharing import STEP_FRAMES
from munsit_denoise.engine.masking import MAX_BATCH_CHANNELS, MaskEnhancer
from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.stft import HOP_LENGTH, SAMPLE_RATE_HZ
from munsit_denoise.engine.stop import Stopped
from munsit_denoise.engine.stream import (
    CONTEXT_S,
    CORE_S,
    LEAST_CORE_S,
    WINDOW_CHANNEL_S,
    WINDOW_SAMPLES,
    Block,
    StreamFormat,
    WindowedDenoiser,
)
from munsit_denoise.engine.weights import load_network
from munsit_denoise.media.probe import MAX_CHANNELS, MAX_SAMPLES_A_SECOND, RATES_HZ
from tests.audio import hiss, voice

RATE_HZ = 8_000
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def enhancer() -> MaskEnhancer:
    return MaskEnhancer(load_network(CPU), CPU)


def window(channels: int, seconds: int = 5, seed: int = 0) -> torch.Tensor:
    noisy = [voice(seconds, RATE_HZ) / (c + 1) + hiss(seconds * RATE_HZ, seed=seed + c) for c in range(channels)]
    return torch.from_numpy(np.stack(noisy))


def test_windows_of_several_recordings_are_shown_to_the_network_together(enhancer: MaskEnhancer) -> None:
    windows = [window(1), window(2, seed=5)]
    prepared = [enhancer.prepare(w, RATE_HZ) for w in windows]
    found = enhancer.find_filters(torch.cat([p.spectrogram for p in prepared]))
    apart = [Filter(*parts) for parts in zip(*(part.split([1, 2]) for part in found), strict=True)]
    for one, own, filters in zip(windows, prepared, apart, strict=True):
        alone = enhancer.enhance(one, RATE_HZ, 1.0)
        assert torch.allclose(enhancer.finish(own, filters, 1.0), alone, atol=1e-6)
        assert alone.abs().max() > 0.01


def test_more_channels_than_can_be_one_image_are_each_processed_alone(enhancer: MaskEnhancer) -> None:
    x = window(9)
    found = enhancer.enhance(x, RATE_HZ, 1.0)
    assert torch.equal(found[[0, 8]], torch.cat([enhancer.enhance(x[[c]], RATE_HZ, 1.0) for c in (0, 8)]))


def test_what_lies_above_the_model_stays_with_its_channel(enhancer: MaskEnhancer) -> None:
    t = torch.arange(5 * 64_000) / 64_000
    x = torch.stack([torch.sin(2 * torch.pi * hz * t) for hz in (26_000, 30_000)]) * 0.1
    found = torch.fft.rfft(enhancer.enhance(x, 64_000, 0.5)).abs()
    assert found.argmax(dim=1).tolist() == [26_000 * 5, 30_000 * 5]


def test_a_stop_is_heard_before_the_next_channels(enhancer: MaskEnhancer) -> None:
    asked: list[int] = []

    def stop_soon() -> bool:
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(Stopped):
        enhancer.enhance(window(2 * MAX_BATCH_CHANNELS), RATE_HZ, 1.0, stop_soon)
    assert len(asked) == 2


def test_a_stop_is_heard_between_all_steps_of_a_window(enhancer: MaskEnhancer) -> None:
    """Also behind the network: what channels share takes as long as the network where there are many."""
    prepared = enhancer.prepare(window(3), RATE_HZ)
    found = enhancer.find_filters(prepared.spectrogram)
    for looks in range(4):
        answers = iter([False] * looks + [True])
        with pytest.raises(Stopped):
            enhancer.finish(prepared, found, 1.0, lambda answers=answers: next(answers))  # type: ignore[misc]


@dataclass
class Endless:
    """Windows that end only when they are stopped."""

    began: threading.Event

    def enhance(
        self, window: torch.Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool]
    ) -> torch.Tensor:
        self.began.set()
        while not should_stop():
            pass
        raise Stopped


def test_a_denoiser_that_is_stopped_leaves_its_window() -> None:
    began, ended = threading.Event(), []
    denoiser = WindowedDenoiser(Endless(began), StreamFormat(RATE_HZ, 1))
    denoiser.feed(np.zeros((RATE_HZ, 1), np.float32))

    def flush() -> None:
        with pytest.raises(Stopped):
            denoiser.flush()
        ended.append(True)

    thread = threading.Thread(target=flush)
    thread.start()
    began.wait()
    denoiser.stop()
    thread.join()
    assert ended
    with pytest.raises(Stopped):
        denoiser.feed(np.zeros((30 * RATE_HZ, 1), np.float32))


@pytest.mark.parametrize("channels", range(1, MAX_CHANNELS + 1))
def test_no_window_is_larger_than_memory_and_patience_allow(channels: int) -> None:
    highest_hz = min(RATES_HZ.stop - 1, MAX_SAMPLES_A_SECOND // channels)
    for rate_hz in {RATES_HZ.start, min(48_000, highest_hz), highest_hz}:
        core_s = StreamFormat(rate_hz, channels).core_s
        window_s = core_s + 2 * CONTEXT_S
        assert channels * rate_hz * window_s <= WINDOW_SAMPLES
        assert channels * window_s <= WINDOW_CHANNEL_S or channels > MOST_TOGETHER
        assert core_s >= LEAST_CORE_S
        assert core_s * SAMPLE_RATE_HZ % (HOP_LENGTH * STEP_FRAMES) == 0  # frames and moments lie where they lay
        assert core_s == CORE_S or channels > 2


def enhancer_in(precision: torch.dtype) -> MaskEnhancer:
    """Return the enhancer in single precision; in another one a small one, as most processors only imitate that."""
    if precision == torch.float32:
        return MaskEnhancer(load_network(CPU), CPU)
    torch.manual_seed(1)
    network = MaskNetwork(ModelSize(8)).eval()
    network.fuse(winograd=False)
    return MaskEnhancer(network, CPU, precision)


@pytest.mark.parametrize(("precision", "channels", "seams_db"), [(torch.float32, 2, -60), (torch.bfloat16, 1, -50)])
def test_short_windows_give_the_same(precision: torch.dtype, channels: int, seams_db: float) -> None:
    enhancer, x = enhancer_in(precision), window(channels, LEAST_CORE_S + 1).T.numpy()
    formats = (kind(RATE_HZ, channels) for kind in (StreamFormat, ShortWindows, ShortWindows))
    long, short, again = (run(enhancer, stream, x) for stream in formats)
    assert 10 * np.log10(np.sum((long - short) ** 2) / np.sum(long**2)) < seams_db
    assert np.array_equal(short, again)


def run(enhancer: MaskEnhancer, stream: StreamFormat, x: Block) -> Block:
    denoiser = WindowedDenoiser(enhancer, stream)
    return np.concatenate([denoiser.feed(x), denoiser.flush()])

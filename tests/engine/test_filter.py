"""A mask, and taps on the neighbours of each low bin: applied, mixed with the input, shared by two channels."""

import pytest
import torch

from munsit_denoise.engine.bands import LOW_BINS, NEIGHBOURS
from munsit_denoise.engine.filter import Filter, joined
from munsit_denoise.engine.stft import N_BINS

FRAMES = 7
NOTHING = torch.zeros(1, FRAMES, LOW_BINS)
SILENCE = torch.zeros(1, FRAMES, N_BINS - LOW_BINS)


def random_filter(channels: int = 1) -> Filter:
    mask = torch.randn(channels, FRAMES, LOW_BINS, dtype=torch.complex64)
    taps = torch.randn(channels, FRAMES, LOW_BINS, len(NEIGHBOURS), dtype=torch.complex64)
    return Filter(mask, taps, torch.rand(channels, FRAMES, N_BINS - LOW_BINS))


def spectrogram(channels: int = 1) -> torch.Tensor:
    return torch.randn(channels, FRAMES, N_BINS, dtype=torch.complex64)


@pytest.mark.parametrize("tap", range(len(NEIGHBOURS)))
def test_each_tap_takes_its_own_neighbour(tap: int) -> None:
    taps = torch.zeros(1, FRAMES, LOW_BINS, len(NEIGHBOURS), dtype=torch.complex64)
    taps[..., tap] = 2j
    x = spectrogram()
    out = Filter(NOTHING, taps, SILENCE).apply(x)
    frame, bin_ = NEIGHBOURS[tap]
    assert torch.allclose(out[0, 3, 40], 2j * x[0, 3 + frame, 40 + bin_])
    assert torch.allclose(out[0, 3, LOW_BINS - 1], 2j * x[0, 3 + frame, LOW_BINS - 1 + bin_])
    assert not out[..., LOW_BINS:].any()


def test_nothing_lies_beyond_the_edges() -> None:
    taps = torch.ones(1, FRAMES, LOW_BINS, len(NEIGHBOURS), dtype=torch.complex64)
    x = torch.ones(1, FRAMES, N_BINS, dtype=torch.complex64)
    out = Filter(NOTHING, taps, SILENCE).apply(x).real
    assert out[0, 0, 0] == out[0, -1, 0] == 2
    assert out[0, 0, 40] == out[0, 3, 0] == 3
    assert out[0, 3, 40] == out[0, 3, LOW_BINS - 1] == 4


def test_the_mask_turns_low_bins_and_the_gains_scale_high_ones() -> None:
    taps = torch.zeros(1, FRAMES, LOW_BINS, len(NEIGHBOURS), dtype=torch.complex64)
    x = spectrogram()
    out = Filter(torch.full((1, FRAMES, LOW_BINS), 1j), taps, torch.full((1, FRAMES, N_BINS - LOW_BINS), 0.5)).apply(x)
    assert torch.allclose(out[..., :LOW_BINS], 1j * x[..., :LOW_BINS])
    assert torch.allclose(out[..., LOW_BINS:], 0.5 * x[..., LOW_BINS:])


def test_strength_mixes_output_and_input() -> None:
    x, found = spectrogram(), random_filter()
    assert torch.equal(found.mixed(0).apply(x), x)
    assert torch.allclose(found.mixed(0.25).apply(x), 0.75 * x + 0.25 * found.apply(x), atol=1e-5)


def test_kin_share_the_filter_of_the_louder_one() -> None:
    found, x = random_filter(channels=2), spectrogram(channels=2)
    x[1] *= 1e-6
    shared = found.shared(x, torch.ones(2, 2, FRAMES))
    for both, own in zip(shared, found, strict=True):
        assert torch.equal(both[0], both[1])
        assert torch.allclose(both[0], own[0], atol=1e-4)


def test_strangers_keep_their_own_filters_and_half_kin_are_half_way() -> None:
    found, x = random_filter(channels=3), spectrogram(channels=3)
    alone = torch.eye(3)[..., None].repeat(1, 1, FRAMES)
    for kept, own in zip(found.shared(x, alone), found, strict=True):
        assert torch.allclose(kept, own, atol=1e-6)
    pair, half = alone.clone(), alone.clone()
    pair[0, 1] = pair[1, 0] = 1
    half[0, 1] = half[1, 0] = 0.5
    for one, other, own in zip(found.shared(x, half), found.shared(x, pair), found, strict=True):
        assert torch.allclose(one, (other + own) / 2, atol=1e-5)
        assert torch.allclose(one[2], own[2], atol=1e-6)  # the third has no kin


def test_batches_are_joined_in_order() -> None:
    first, second = random_filter(), random_filter()
    both = joined([first, second])
    for part, *parts in zip(both, first, second, strict=True):
        assert torch.equal(part, torch.cat(parts))
    assert joined([first]) is first

"""The network itself: its outputs are bounded, and fusing it changes nothing but its speed."""

import pytest
import torch
from torch import nn

from munsit_denoise.engine.layers import SectionDecoder, Upsample
from munsit_denoise.engine.model import LEVEL_FRAMES, REACH_FRAMES, RIM_FRAMES, MaskNetwork, ModelSize
from munsit_denoise.engine.stft import N_BINS


def test_no_tap_exceeds_its_bound() -> None:
    network = MaskNetwork(ModelSize(8)).eval()
    with torch.inference_mode():
        found = network(1e4 * torch.randn(1, 10, N_BINS, dtype=torch.complex64))
    assert max(part.abs().max() for part in found) <= 2**0.5


def test_a_closed_gate_silences_its_group_and_no_other() -> None:
    network = MaskNetwork(ModelSize(8)).eval()
    decoder = network.decoders[0]
    assert isinstance(decoder, SectionDecoder)
    width = decoder.section.width
    with torch.inference_mode():
        decoder.out.bias[1, -1] = -100
        found = network(torch.randn(1, 10, N_BINS, dtype=torch.complex64))
    assert found.gains.all()
    for part in (found.mask, found.taps):
        silent = (part[0].abs().reshape(10, part.shape[2], -1) == 0).all(dim=2).all(dim=0)
        assert silent.nonzero().flatten().tolist() == list(range(width, 2 * width))


@pytest.mark.parametrize("winograd", [False, True])
def test_a_fused_network_is_the_same_network(winograd: bool) -> None:
    torch.manual_seed(1)
    network = MaskNetwork(ModelSize(8)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    spectrogram = torch.randn(2, 50, N_BINS, dtype=torch.complex64)
    with torch.inference_mode():
        expected = network(spectrogram)
        network.fuse(winograd=winograd)
        found = network(spectrogram)
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in network.modules())
    for part, whole in zip(found, expected, strict=True):
        assert torch.allclose(part, whole, atol=1e-4)


def test_margins_and_rims_change_nothing_beyond_the_reach() -> None:
    torch.manual_seed(1)
    network, margin = MaskNetwork(ModelSize(8)).eval(), LEVEL_FRAMES // 2
    spectrogram = torch.randn(1, 2 * REACH_FRAMES + 9, N_BINS, dtype=torch.complex64)
    with torch.inference_mode():
        whole = network(spectrogram)
        for rim in (0, RIM_FRAMES):
            within, left_out = network(spectrogram, margin, rim), margin + rim
            assert within.mask.shape[1] == spectrogram.shape[1] - 2 * left_out
            for part, expected in zip(within, whole, strict=True):
                found = part[:, REACH_FRAMES - left_out :][:, :9]
                assert torch.allclose(found, expected[:, REACH_FRAMES:][:, :9], atol=1e-6)
            assert not torch.allclose(within.mask[:, 0], whole.mask[:, left_out], atol=1e-6)  # nearer, they do


def test_a_group_becomes_two_as_by_a_transposed_convolution() -> None:
    up = Upsample(6, 4)
    x = torch.randn(2, 6, 5, 3).contiguous(memory_format=torch.channels_last)
    assert torch.allclose(up(x), up.conv(x), atol=1e-6)

"""The network itself: its outputs are bounded, and fusing it changes nothing but its speed."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from munsit_denoise.engine.layers import SectionDecoder, Upsample
from munsit_denoise.engine.model import LEVEL_FRAMES, MaskNetwork, ModelSize
from munsit_denoise.engine.stft import HOP_LENGTH, N_BINS, SAMPLE_RATE_HZ
from munsit_denoise.engine.stream import CONTEXT_S
from munsit_denoise.engine.weights import load_network, save_weights


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


SLIM = ModelSize(8, dilations_in=((), (2,), (1,)), dilations_out=((), (), (1,)), dense_dilations=(1, 2))


@pytest.mark.parametrize("size", [ModelSize(8), SLIM])
def test_margins_and_rims_change_nothing_beyond_the_reach(size: ModelSize) -> None:
    torch.manual_seed(1)
    network, margin, reach = MaskNetwork(size).eval(), LEVEL_FRAMES // 2, size.reach_frames
    spectrogram = torch.randn(1, 2 * reach + 9, N_BINS, dtype=torch.complex64)
    with torch.inference_mode():
        whole = network(spectrogram)
        for rim in (0, size.rim_frames):
            within, left_out = network(spectrogram, margin, rim), margin + rim
            assert within.mask.shape[1] == spectrogram.shape[1] - 2 * left_out
            for part, expected in zip(within, whole, strict=True):
                found = part[:, reach - left_out :][:, :9]
                assert torch.allclose(found, expected[:, reach:][:, :9], atol=1e-6)
            assert not torch.allclose(within.mask[:, 0], whole.mask[:, left_out], atol=1e-6)  # nearer, they do


def test_a_file_says_how_deep_its_network_is(tmp_path: Path) -> None:
    network = MaskNetwork(SLIM)
    save_weights(network.state_dict(), tmp_path / "slim.safetensors", {"model": json.dumps(asdict(SLIM))})
    found = load_network(torch.device("cpu"), tmp_path / "slim.safetensors")
    assert found.size == SLIM


def test_the_context_of_a_window_covers_what_the_network_sees() -> None:
    network = load_network(torch.device("cpu"))
    assert network.size.reach_frames * HOP_LENGTH <= CONTEXT_S * SAMPLE_RATE_HZ


def test_a_group_becomes_two_as_by_a_transposed_convolution() -> None:
    up = Upsample(6, 4)
    x = torch.randn(2, 6, 5, 3).contiguous(memory_format=torch.channels_last)
    assert torch.allclose(up(x), up.conv(x), atol=1e-6)

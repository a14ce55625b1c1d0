"""The network itself: its outputs are bounded, and fusing it changes nothing but its speed."""

import torch
from torch import nn

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.stft import N_BINS


def test_no_tap_exceeds_its_bound() -> None:
    network = MaskNetwork(ModelSize(8)).eval()
    with torch.inference_mode():
        found = network(1e4 * torch.randn(1, 10, N_BINS, dtype=torch.complex64))
    assert max(part.abs().max() for part in found) <= 2**0.5


def test_a_fused_network_is_the_same_network() -> None:
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
        network.fuse()
        found = network(spectrogram)
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in network.modules())
    for part, whole in zip(found, expected, strict=True):
        assert torch.allclose(part, whole, atol=1e-4)

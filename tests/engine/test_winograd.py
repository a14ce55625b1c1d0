"""Winograd's filtering is the convolution that it stands for, at any length and dilation."""

import pytest
import torch
from torch import nn

from munsit_denoise.engine.layers import DenseBlock, WinogradDenseBlock
from munsit_denoise.engine.winograd import WinogradConv2d

LENGTHS = [1, 2, 31, 32, 33, 200]


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("dilation", [1, 2, 5])
@torch.inference_mode()
def test_a_convolution(frames: int, dilation: int) -> None:
    torch.manual_seed(1)
    conv = nn.Conv2d(8, 6, 3, padding=(dilation, 1), dilation=(dilation, 1)).to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, frames, 4).contiguous(memory_format=torch.channels_last)
    found, expected = WinogradConv2d(conv)(x), conv(x)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("dilation", [1, 4, 16])
@torch.inference_mode()
def test_a_dense_block(frames: int, dilation: int) -> None:
    torch.manual_seed(1)
    block = DenseBlock(16, dilation).eval()
    x = torch.randn(2, frames, 16)
    expected = block(x)
    assert torch.allclose(WinogradDenseBlock(block)(x), expected, atol=1e-5)


@torch.inference_mode()
def test_rounding_stays_near_that_of_single_precision() -> None:
    torch.manual_seed(1)
    conv = nn.Conv2d(96, 96, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(1, 96, 100, 8).contiguous(memory_format=torch.channels_last)
    exact = conv.double()(x.double())
    found = WinogradConv2d(conv.float())(x)
    assert (found - exact).norm() < 3e-6 * exact.norm()

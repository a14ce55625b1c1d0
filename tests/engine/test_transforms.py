"""STFT, bands and resampling restore what they are given."""

import pytest
import torch

from munsit_denoise.engine.bands import HIGH_BANDS, LOW_BINS, N_GROUPS, SECTIONS, high_band_matrix
from munsit_denoise.engine.device import choose_device
from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import N_BINS, Stft


def test_stft_restores_the_waveform() -> None:
    x = torch.randn(2, 48_000)
    stft = Stft()
    assert torch.allclose(stft.synthesise(stft.analyse(x), x.shape[1]), x, atol=1e-5)


def test_bands_cover_every_bin_once() -> None:
    matrix = high_band_matrix()
    assert matrix.shape == (N_BINS - LOW_BINS, HIGH_BANDS)
    assert torch.allclose(matrix.sum(dim=1), torch.ones(len(matrix)))
    assert (matrix.sum(dim=0) > 0).all()
    assert sum(s.groups for s in SECTIONS) == N_GROUPS
    assert [s.start for s in SECTIONS[1:]] == [s.stop for s in SECTIONS[:-1]]


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 44_101, 96_000])
def test_resampling_there_and_back_restores_the_band(rate_hz: int) -> None:
    t = torch.arange(2 * rate_hz, dtype=torch.float64) / rate_hz
    x = torch.sin(2 * torch.pi * 440 * t) + 0.3 * torch.sin(2 * torch.pi * 3_000 * t)
    back = resample_window(resample_window(x, 2 * 48_000), len(x))
    assert torch.allclose(back, x, atol=1e-4)


def test_resampling_keeps_frequency_and_level() -> None:
    x = torch.sin(2 * torch.pi * 1_000 * torch.arange(16_000, dtype=torch.float64) / 16_000)
    expected = torch.sin(2 * torch.pi * 1_000 * torch.arange(48_000, dtype=torch.float64) / 48_000)
    assert torch.allclose(resample_window(x, 48_000), expected, atol=1e-4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none_is_told() -> None:
    with pytest.raises(RuntimeError, match="CUDA"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"

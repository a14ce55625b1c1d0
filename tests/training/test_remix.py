"""A batch is joined by its own voices with other noises."""

import pytest
import torch

from training.remix import remixed

RATE_HZ = 48_000


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return three voices with noise, one without, and one noise alone; each voice and noise a tone of its own."""
    t = torch.arange(RATE_HZ) / RATE_HZ
    voices = torch.stack([torch.sin(2 * torch.pi * (300 + 100 * number) * t) for number in range(5)])
    noises = 0.1 * torch.stack([torch.sin(2 * torch.pi * (5_000 + 500 * number) * t) for number in range(5)])
    noises[3], voices[4] = 0, 0
    return voices + noises, voices, torch.tensor([4e3, 8e3, 12e3, 16e3, 20e3])


def tones(x: torch.Tensor) -> list[list[int]]:
    """Return the frequencies in hertz of what sounds in each waveform of a second."""
    power = torch.fft.rfft(x).abs().square()
    return [(row > 1e-4 * row.max()).nonzero().flatten().tolist() for row in power]


def test_each_voice_meets_the_noise_of_another() -> None:
    torch.manual_seed(0)
    noisy, clean, band_hz = remixed(*batch(), copies=3, snr_db=(0.0, 10.0))
    assert len(noisy) == len(clean) == len(band_hz) == 4 * 5
    assert torch.equal(noisy[:5], batch()[0])
    for voice, noise, band in zip(tones(clean[5:]), tones(noisy[5:] - clean[5:]), band_hz[5:].tolist(), strict=True):
        (voice_hz,), (noise_hz,) = voice, noise
        assert (voice_hz - 300) // 100 in (0, 1, 2)
        assert (noise_hz - 5_000) // 500 in {0, 1, 2} - {(voice_hz - 300) // 100}
        assert band == 4e3 * (1 + (voice_hz - 300) // 100)


def test_the_ratio_is_that_of_the_voice_while_it_sounds() -> None:
    noisy, clean, band_hz = batch()
    noisy[:, RATE_HZ // 2 :] -= clean[:, RATE_HZ // 2 :]
    clean[:, RATE_HZ // 2 :] = 0
    mixed, voices, _ = remixed(noisy, clean, band_hz, copies=1, snr_db=(6.0, 6.0))
    active = voices[5:, : RATE_HZ // 2].square().mean(dim=1)
    ratio_db = 10 * (active / (mixed - voices)[5:].square().mean(dim=1)).log10()
    torch.testing.assert_close(ratio_db, torch.full((5,), 6.0), rtol=0, atol=0.05)


def test_a_share_of_them_is_clean() -> None:
    torch.manual_seed(0)
    noisy, clean, _ = remixed(*batch(), copies=40, snr_db=(0.0, 10.0), clean_only=0.25)
    assert 0.15 < noisy[5:].eq(clean[5:]).all(dim=1).float().mean() < 0.35


@pytest.mark.parametrize("kept", [[3, 4], [0, 3]])
def test_a_batch_without_two_mixtures_stays_as_it_is(kept: list[int]) -> None:
    given = [part[kept] for part in batch()]
    for found, wanted in zip(remixed(*given, copies=2, snr_db=(0.0, 5.0)), given, strict=True):
        assert torch.equal(found, wanted)

"""The loss knows what is right, and sees nothing that the target does not speak for."""

import pytest
import torch

from munsit_denoise.engine.stft import BIN_HZ, N_BINS, Stft
from tests.audio import hiss, voice
from training.losses.denoising import DenoisingLoss, LossShares, high_band_distance_db
from training.losses.resolution import RATE_HZ, ResolutionLoss


def spectra(snr_db: float) -> tuple[torch.Tensor, torch.Tensor]:
    stft, clean = Stft(), torch.from_numpy(voice(1, 48_000))[None]
    noise = torch.from_numpy(hiss(48_000, rms=float(clean.std()) * 10 ** (-snr_db / 20)))[None]
    return stft.analyse(clean + noise), stft.analyse(clean)


SHARES: list[dict[str, float]] = [
    {},
    {"pesq_share": 0.05},
    {"estoi_share": 0.5},
    {"mel_share": 0.01},
    {"band_snr_share": 0.01},
    {"resolution_share": 3},
]


@pytest.mark.parametrize("shares", SHARES)
def test_the_loss_is_least_for_the_target_and_grows_with_the_noise(shares: dict[str, float]) -> None:
    band_hz = torch.tensor([24_000.0])
    losses = []
    loss = DenoisingLoss(LossShares(**shares))
    for snr_db in (30, 20, 10, 0):
        noisy, clean = spectra(snr_db)
        assert loss(clean, clean, noisy, band_hz) < loss(noisy, clean, noisy, band_hz)
        losses.append(float(loss(noisy, clean, noisy, band_hz)))
    assert losses == sorted(losses)


@pytest.mark.parametrize("shares", SHARES)
def test_the_loss_does_not_see_what_the_target_does_not_speak_for(shares: dict[str, float]) -> None:
    noisy, clean = spectra(10)
    changed = noisy.clone()
    changed[:, :, 110:] *= 3  # in shorter windows it is seen as far away as 300 Hz
    band_hz = torch.tensor([100 * 31.25 - 1])
    loss = DenoisingLoss(LossShares(**shares))
    assert torch.allclose(loss(noisy, clean, noisy, band_hz), loss(changed, clean, noisy, band_hz))


@pytest.mark.parametrize("snr_db", [0, 10])
def test_a_decibel_weighs_what_it_is_told_to(snr_db: float) -> None:
    noisy, clean = spectra(snr_db)
    little, much = (
        DenoisingLoss(LossShares(snr_share=share))(noisy, clean, noisy, torch.tensor([24_000.0]))
        for share in (0.1, 0.3)
    )
    assert (much - little).item() == pytest.approx(-0.2 * snr_db, abs=0.1)


def test_every_band_counts_alike_however_soft_it_is() -> None:
    loss, band_hz = DenoisingLoss(LossShares(snr_share=0, band_snr_share=1)), torch.tensor([24_000.0])
    frequency_hz = torch.arange(N_BINS) * BIN_HZ
    noise = torch.randn((1, 60, N_BINS), generator=torch.Generator().manual_seed(1)) + 0j
    flat = noise.roll(1, dims=1)
    tilted = 10 ** (-frequency_hz / 8_000)  # 20 dB softer at 8 kHz
    ratio = [
        loss(target + 0.1 * distortion, target, target, band_hz) - loss(target, target, target, band_hz)
        for target, distortion in ((flat, noise), (tilted * flat, tilted * noise))
    ]
    assert ratio[0].item() == pytest.approx(10, abs=1)  # 30 dB at best, 20 dB with a tenth of the magnitude
    assert ratio[1].item() == pytest.approx(ratio[0].item(), abs=0.2)


def test_the_loss_of_silence_is_finite_and_so_is_its_gradient() -> None:
    noisy, _ = spectra(10)
    estimate = noisy.clone().requires_grad_()
    shares = {"pesq_share": 0.05, "high_share": 0.001, "estoi_share": 0.1, "mel_share": 0.01, "band_snr_share": 0.01}
    distance = DenoisingLoss(LossShares(**shares, resolution_share=1))
    loss = distance(estimate, torch.zeros_like(noisy), noisy, torch.tensor([24_000.0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert estimate.grad is not None
    assert torch.isfinite(torch.view_as_real(estimate.grad)).all()


def test_the_distance_above_8_khz_is_in_decibels_and_sees_nothing_else() -> None:
    target = spectra(-20)[0].abs().square()  # as loud above 8 kHz as below
    frequency_hz = torch.arange(target.shape[2]) * 31.25
    louder = target * torch.where(frequency_hz >= 8_000, 4.0, 25.0)
    for band_hz, expected in ((24_000.0, 6.0), (12_000.0, 6.0), (7_000.0, 0.0)):
        inside = frequency_hz[None] <= band_hz
        assert high_band_distance_db(louder, target, inside).item() == pytest.approx(expected, abs=0.1)
    assert high_band_distance_db(0 * target, target, frequency_hz[None] >= 0).item() < 80.1


def test_longer_windows_tell_noise_between_harmonics_from_noise_on_them() -> None:
    stft, loss = Stft(), ResolutionLoss()
    time_s = torch.arange(48_000) / 48_000
    harmonics = sum(torch.sin(2 * torch.pi * 100 * n * time_s + n * n) for n in range(5, 40))
    assert isinstance(harmonics, torch.Tensor)
    on, between = (
        stft.analyse((harmonics + 0.03 * torch.sin(2 * torch.pi * hz * time_s))[None]) for hz in (1_000, 1_050)
    )
    target = stft.analyse(harmonics[None])
    level = target.abs().square().mean().sqrt()
    errors = [loss(found / level, target / level, torch.tensor([8_000.0])).item() for found in (on, between)]
    assert errors[1] > 50 * errors[0] > 0


def test_the_waveform_that_is_compared_is_the_one_that_is_heard() -> None:
    waveform = torch.sin(2 * torch.pi * 1_000 * torch.arange(24_000) / 48_000)[None]
    found = ResolutionLoss().waveform(Stft().analyse(waveform))
    wanted = torch.sin(2 * torch.pi * 1_000 * torch.arange(found.shape[1]) / RATE_HZ)
    assert torch.allclose(found[0, 500:-500], wanted[500:-500], atol=1e-3)


def test_noise_is_as_loud_in_all_windows() -> None:
    noise = torch.from_numpy(hiss(96_000))[None]
    loss, own = ResolutionLoss(), Stft().analyse(noise)
    waveform = loss.waveform(own)
    for transform in loss.transforms:
        power = transform(waveform).abs().square()[:, :, 5:-5].mean()
        assert power.item() == pytest.approx(own[..., :256].abs().square().mean().item(), rel=0.15)

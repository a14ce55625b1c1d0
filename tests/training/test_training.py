"""Training: pairs are a function of seed and index, the loss knows what is right, a resumed run is the same run."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ, Stft
from munsit_denoise.engine.weights import load_network
from tests.audio import hiss, voice
from training import train
from training.corpus import Corpus, bandwidth_hz, open_corpus
from training.evaluate import evaluate, summary
from training.loss import DenoisingLoss, high_band_distance_db
from training.mix import CREST, MixConfig, Mixer
from training.signals import active_rms, clipped, companded, low_pass, rms, with_gaps
from training.train import TrainConfig, learning_rate, read_config

CONFIG = MixConfig(seconds=0.8)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training pack in miniature: two voices, two noises, a room."""
    root = tmp_path_factory.mktemp("pack")
    rows = []
    for number, rate_hz in enumerate((16_000, 44_100)):
        soundfile.write(root / f"speech{number}.wav", voice(1.5, rate_hz), rate_hz)
        soundfile.write(root / f"noise{number}.wav", hiss(rate_hz, seed=number), rate_hz)
        rows += [(f"speech{number}.wav", "speech", f"voice{number}"), (f"noise{number}.wav", "noise", f"class{number}")]
    room = np.zeros(4_800)
    room[100], room[1_000] = 1, 0.3
    soundfile.write(root / "rir.wav", room, 48_000)
    rows.append(("rir.wav", "rir", ""))
    with (root / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "kind", "speaker_or_class", "est_snr_db"])
        writer.writerows([(*row, "") for row in rows])
    return root


@pytest.fixture(scope="module")
def corpus(pack: Path) -> Corpus:
    return open_corpus([pack], pack / "cache")


def test_the_cache_holds_every_recording_at_the_models_rate(corpus: Corpus, pack: Path) -> None:
    again = open_corpus([pack], pack / "cache")
    for kind, count in (("speech", 2), ("noise", 2), ("rir", 1)):
        assert len(corpus.clips[kind]) == len(again.clips[kind]) == count
    for clip in corpus.clips["speech"]:
        assert clip.samples == pytest.approx(1.5 * SAMPLE_RATE_HZ, abs=2)
        assert corpus.waveform(clip).std() == pytest.approx(voice(1.5).std(), rel=0.1)


def test_pairs_are_a_function_of_seed_and_index(corpus: Corpus) -> None:
    one, two = Mixer(corpus, CONFIG, 3, 20), Mixer(corpus, CONFIG, 3, 20)
    for index in (0, 7, 19):
        assert torch.equal(one[index][0], two[index][0])
        assert torch.equal(one[index][1], two[index][1])
    assert not torch.equal(one[0][0], Mixer(corpus, CONFIG, 4, 20)[0][0])


def test_pairs_are_finite_levelled_and_aligned(corpus: Corpus) -> None:
    mixer = Mixer(corpus, replace(CONFIG, clipping=0, clean_only=0, noise_only=0), 1, 30)
    for index in range(30):
        noisy, clean, band_hz = mixer[index]
        assert noisy.shape == clean.shape == (int(0.8 * SAMPLE_RATE_HZ),)
        assert torch.isfinite(noisy).all()
        assert 0.005 < rms(noisy.numpy()) < 0.3
        assert 2_500 < band_hz <= SAMPLE_RATE_HZ / 2


def test_the_mixture_has_the_ratio_it_was_drawn_with(corpus: Corpus) -> None:
    undamaged = replace(CONFIG, clipping=0, companding=0, dropout=0, band_limit=0)
    mixer = Mixer(corpus, replace(undamaged, snr_db=(7, 7), clean_only=0, noise_only=0), 1, 10)
    for index in range(10):
        noisy, clean, _ = mixer[index]
        noise = (noisy - clean).numpy()
        loudness = max(rms(noise), np.abs(noise).max() / CREST)
        assert 20 * np.log10(active_rms(clean.numpy()) / loudness) == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize("special", ["events", "reversed_noise", "codec", "synthetic_noise"])
def test_every_special_case_gives_an_aligned_pair(corpus: Corpus, special: str) -> None:
    case: dict[str, Any] = {special: 1.0}
    mixer = Mixer(corpus, replace(CONFIG, seconds=1.0, clean_only=0, noise_only=0, **case), 5, 6)
    for index in range(6):
        noisy, clean, band_hz = mixer[index]
        assert noisy.shape == clean.shape == (SAMPLE_RATE_HZ,)
        assert torch.isfinite(noisy).all()
        assert 2_500 < band_hz <= SAMPLE_RATE_HZ / 2
        assert not torch.equal(noisy, clean)


def test_clean_only_and_noise_only_are_what_they_say(corpus: Corpus) -> None:
    noisy, clean, _ = Mixer(corpus, replace(CONFIG, clean_only=1, clipping=0), 1, 1)[0]
    assert torch.equal(noisy, clean)
    noisy, clean, band_hz = Mixer(corpus, replace(CONFIG, clean_only=0, noise_only=1, band_limit=0), 1, 1)[0]
    assert not clean.any()
    assert noisy.any()
    assert band_hz == SAMPLE_RATE_HZ / 2


def test_bandwidth_is_found_and_cut() -> None:
    x = hiss(48_000)
    assert bandwidth_hz(x, 48_000) > 23_000
    assert bandwidth_hz(low_pass(x, 8_000), 48_000) == pytest.approx(8_000, rel=0.05)
    assert bandwidth_hz(np.zeros(4_800, np.float32), 48_000) >= 0


def test_damage_is_what_it_says() -> None:
    x = voice(1, 48_000)
    cut = clipped(x, 0.5)
    assert np.abs(cut).max() == pytest.approx(np.abs(x).max() / 2)
    telephone = companded(x)
    assert 20 < 10 * np.log10(np.var(x) / np.var(telephone - x)) < 50
    assert len(np.unique(telephone)) <= 255
    gaps = with_gaps(np.ones(48_000, np.float32), np.random.default_rng(1), (0.01, 0.01))
    assert 480 <= (gaps == 0).sum() <= 5 * 480


def test_other_playback_rates_change_the_pitch_and_keep_the_length(corpus: Corpus) -> None:
    config = replace(CONFIG, playback_rate=1, speech_rate=(1.1, 1.1), noise_rate=(0.7, 0.7))
    for index in range(5):
        noisy, clean, band_hz = Mixer(corpus, config, 2, 5)[index]
        assert noisy.shape == clean.shape == (int(0.8 * SAMPLE_RATE_HZ),)
        assert band_hz <= SAMPLE_RATE_HZ / 2


def test_classes_of_noise_can_be_left_out(corpus: Corpus) -> None:
    assert set(Mixer(corpus, CONFIG, 1, 1).noises) == {"class0", "class1"}
    assert set(Mixer(corpus, replace(CONFIG, without=("class0",)), 1, 1).noises) == {"class1"}


def spectra(snr_db: float) -> tuple[torch.Tensor, torch.Tensor]:
    stft, clean = Stft(), torch.from_numpy(voice(1, 48_000))[None]
    noise = torch.from_numpy(hiss(48_000, rms=float(clean.std()) * 10 ** (-snr_db / 20)))[None]
    return stft.analyse(clean + noise), stft.analyse(clean)


@pytest.mark.parametrize("pesq_share", [0.0, 0.05])
def test_the_loss_is_least_for_the_target_and_grows_with_the_noise(pesq_share: float) -> None:
    band_hz = torch.tensor([24_000.0])
    losses = []
    loss = DenoisingLoss(pesq_share)
    for snr_db in (30, 20, 10, 0):
        noisy, clean = spectra(snr_db)
        assert loss(clean, clean, noisy, band_hz) < loss(noisy, clean, noisy, band_hz)
        losses.append(float(loss(noisy, clean, noisy, band_hz)))
    assert losses == sorted(losses)


@pytest.mark.parametrize("pesq_share", [0.0, 0.05])
def test_the_loss_does_not_see_what_the_target_does_not_speak_for(pesq_share: float) -> None:
    noisy, clean = spectra(10)
    changed = noisy.clone()
    changed[:, :, 200:] *= 3
    band_hz = torch.tensor([200 * 31.25 - 1])
    loss = DenoisingLoss(pesq_share)
    assert torch.allclose(loss(noisy, clean, noisy, band_hz), loss(changed, clean, noisy, band_hz))


def test_the_loss_of_silence_is_finite_and_so_is_its_gradient() -> None:
    noisy, _ = spectra(10)
    estimate = noisy.clone().requires_grad_()
    loss = DenoisingLoss(0.05, 0.001)(estimate, torch.zeros_like(noisy), noisy, torch.tensor([24_000.0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert estimate.grad is not None
    assert torch.isfinite(torch.view_as_real(estimate.grad)).all()


def test_the_distance_above_8_khz_is_in_decibels_and_sees_nothing_else() -> None:
    target, _ = spectra(-20)  # as loud above 8 kHz as below
    frequency_hz = torch.arange(target.shape[2]) * 31.25
    louder = target * torch.where(frequency_hz >= 8_000, 2.0, 5.0)
    for band_hz, expected in ((24_000.0, 6.0), (12_000.0, 6.0), (7_000.0, 0.0)):
        inside = frequency_hz[None] <= band_hz
        assert high_band_distance_db(louder, target, inside).item() == pytest.approx(expected, abs=0.1)
    assert high_band_distance_db(0 * target, target, frequency_hz[None] >= 0).item() < 80.1


def config(pack: Path, out: Path) -> TrainConfig:
    files = {"corpus": (str(pack),), "cache": str(pack / "cache"), "out": str(out)}
    small = {"batch": 2, "validation_items": 2, "every_steps": 2, "workers": 0, "warmup_steps": 2}
    return TrainConfig(**files, steps=4, **small, model=ModelSize(8), mix=CONFIG)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_resumed_run_is_the_same_run(
    optimiser: str, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(replace(config(pack, tmp_path / "straight"), optimiser=optimiser))
    step = train.Trainer.train_batch

    def interrupted(self: train.Trainer, batch: list[torch.Tensor]) -> float:
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(train.Trainer, "train_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(replace(config(pack, tmp_path / "resumed"), optimiser=optimiser))
    monkeypatch.undo()
    train.run(replace(config(pack, tmp_path / "resumed"), optimiser=optimiser))
    one, two = (
        load_network(torch.device("cpu"), tmp_path / run / "model.safetensors") for run in ("straight", "resumed")
    )
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


CONFIG_OF_TWO = """
[train]
corpus = ["{pack}"]
cache = "{pack}/cache"
out = "{out}"
steps = 4
batch = 2
optimiser = "muon"
validation_items = 2
every_steps = 2
workers = 0
[model]
channels = 8
[mix]
seconds = 0.8
"""


def test_two_processes_train_one_network(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(CONFIG_OF_TWO.format(pack=pack, out=tmp_path / "out"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "-m", "training.train", tmp_path / "two.toml"], env=environment, check=True, timeout=120)
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(np.isfinite(row["validation_loss"]) for row in rows)
    assert load_network(torch.device("cpu"), tmp_path / "out" / "model.safetensors").size == ModelSize(8)


def test_an_unknown_optimiser_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no optimiser is called sgd"):
        train.Trainer(replace(config(pack, tmp_path), optimiser="sgd"))


def test_a_run_can_begin_with_the_weights_of_another(pack: Path, tmp_path: Path) -> None:
    train.run(config(pack, tmp_path / "first"))
    weights = tmp_path / "first" / "model.safetensors"
    trainer = train.Trainer(replace(config(pack, tmp_path / "second"), start=str(weights)))
    found = load_file(weights)
    assert trainer.step == 0
    for name, value in trainer.average.items():
        assert torch.equal(value, found[name]), name


def test_mixed_precision_trains_as_well(pack: Path, tmp_path: Path) -> None:
    short = replace(config(pack, tmp_path / "short"), mixed_precision=True)
    train.run(short)
    train.run(config(pack, tmp_path / "long"))
    losses = [
        json.loads((tmp_path / run / "log.jsonl").read_text().splitlines()[-1])["train_loss"]
        for run in ("short", "long")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_the_rate_warms_up_stays_and_falls() -> None:
    plan = TrainConfig("", "", "", steps=1000, warmup_steps=100, learning_rate=1.0, decay_share=0.2)
    rates = [learning_rate(plan, step) for step in (0, 99, 500, 800, 900, 1000)]
    assert rates == pytest.approx([0.01, 1, 1, 1, 0.5, 0])


def test_the_configurations_can_be_read() -> None:
    for path in Path("training/configs").glob("*.toml"):
        assert read_config(path).mix.snr_db[0] < 0


def test_pairs_are_scored_through_the_enhancer(tmp_path: Path) -> None:
    """A network that lets everything through gives back the input's score, and clean speech untouched."""
    for folder in ("noisy", "clean"):
        (tmp_path / folder).mkdir()
    clean = voice(2)
    soundfile.write(tmp_path / "clean" / "a.flac", clean, 16_000, subtype="PCM_24")
    soundfile.write(tmp_path / "noisy" / "a.flac", clean + hiss(len(clean)), 16_000, subtype="PCM_24")
    (tmp_path / "pairs.csv").write_text("id\na\n")
    (score,) = evaluate(Open(), tmp_path)
    assert score.enhanced_db == pytest.approx(score.noisy_db, abs=0.05)
    assert score.noisy_db == pytest.approx(10 * np.log10(np.var(clean) / 0.03**2), abs=0.5)
    assert score.clean_db > 60
    assert summary([score])["dev_clean_least_db"] == round(score.clean_db, 2)


class Open(MaskNetwork):
    """Lets everything through."""

    def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(spectrogram)

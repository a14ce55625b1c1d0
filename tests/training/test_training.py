"""Training: a resumed run is the same run, processes train one network, scores come through the enhancer."""

import json
import os
import socket
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
from training.parallel import Group

from munsit_denoise.engine.filter import Filter
from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from munsit_denoise.engine.weights import load_network
from tests.audio import hiss, voice
from training import train
from training.evaluate import evaluate, summary
from training.mix.mixer import MixConfig
from training.recipe import TrainConfig, learning_rate, read_config

CONFIG = MixConfig(seconds=0.8)


def config(pack: Path, out: Path) -> TrainConfig:
    files = {"corpus": (str(pack),), "cache": str(pack / "cache"), "out": str(out)}
    small = {"batch": 2, "validation_items": 2, "every_steps": 2, "workers": 0, "warmup_steps": 2}
    return TrainConfig(**files, steps=4, **small, model=ModelSize(8), mix=CONFIG)


@pytest.mark.parametrize("more", [{}, {"optimiser": "muon"}, {"verdict_share": 0.5, "feature_share": 1.0}])
def test_a_resumed_run_is_the_same_run(
    more: dict[str, Any], pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(replace(config(pack, tmp_path / "straight"), **more))
    step = train.Trainer.train_batch

    def interrupted(self: train.Trainer, *batch: torch.Tensor) -> float:
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(train.Trainer, "train_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(replace(config(pack, tmp_path / "resumed"), **more))
    monkeypatch.undo()
    train.run(replace(config(pack, tmp_path / "resumed"), **more))
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
verdict_share = 0.1
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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    torchrun = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "training.train", tmp_path / "two.toml"]
    processes = [
        subprocess.Popen(command, env=os.environ | torchrun | {"RANK": rank, "LOCAL_RANK": rank}) for rank in "01"
    ]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:  # one waits for the other for ever
            process.kill()
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(np.isfinite(row["validation_loss"]) for row in rows)
    assert all(0 < row["discriminator_loss"] < 2 for row in rows)
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
        assert torch.equal(value, found[name].to(value.dtype)), name


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
    rates = [learning_rate(plan, step, step / plan.steps) for step in (0, 99, 500, 800, 900, 1000)]
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

    def forward(self, spectrogram: torch.Tensor, margin: int = 0, rim: int = 0) -> Filter:
        found = super().forward(spectrogram, margin, rim)
        return Filter(torch.ones_like(found.mask), torch.zeros_like(found.taps), torch.ones_like(found.gains))


def test_only_what_is_named_learns(pack: Path, tmp_path: Path) -> None:
    plan = replace(config(pack, tmp_path / "out"), only=("decoders", "norm."))
    before = train.Trainer(plan).model.state_dict()
    train.run(plan)
    after = load_file(tmp_path / "out" / "model.safetensors")
    changed = {name for name, value in before.items() if not torch.equal(value.to(after[name].dtype), after[name])}
    assert any(name.startswith("decoders") for name in changed)
    assert all(name.startswith(("decoders", "norm.")) for name in changed)


def test_a_run_by_the_clock_ends_when_its_time_is_over(pack: Path, tmp_path: Path) -> None:
    plan = replace(config(pack, tmp_path / "out"), steps=10_000, minutes=0.02, every_steps=10_000, copies=1)
    train.run(plan)
    (row,) = (json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines())
    assert row["step"] < 10_000
    assert load_file(tmp_path / "out" / "model.safetensors")


def test_what_does_not_go_together_is_told(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adamw"):
        replace(config(pack, tmp_path), only=("decoders",), optimiser="muon")
    with pytest.raises(ValueError, match="clock"):
        train.run(replace(config(pack, tmp_path), minutes=1.0), Group(0, 2))
    with pytest.raises(ValueError, match="knows the truth or the goal"):
        replace(config(pack, tmp_path), adversary_knows="rumours")
    with pytest.raises(ValueError, match=r"can't be gone at 7\.5 dB"):
        replace(config(pack, tmp_path), adversary_fades_db=(7.5, 7.5))


def test_the_discriminator_takes_for_clean_speech_what_the_recipe_says(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(config(pack, tmp_path / "teacher"))
    taught = {"teacher_weights": str(tmp_path / "teacher" / "model.safetensors"), "teacher_alone": True}
    plan = replace(config(pack, tmp_path), teacher_share=1.0, verdict_share=0.1, **taught)
    clean = torch.from_numpy(voice(0.8, SAMPLE_RATE_HZ))[None]
    batch = clean + torch.from_numpy(hiss(clean.shape[1]))[None], clean, torch.tensor([24_000.0])
    voices = dict[tuple[str, str], torch.Tensor]()
    for knows in ("truth", "goal"):
        trainer = train.Trainer(replace(plan, adversary_knows=knows))
        for method in ("learn", "loss"):

            def seen(_: object, voice: torch.Tensor, *__: object, call: tuple[str, str] = (knows, method)) -> float:
                voices[call] = voice
                return 0.0

            monkeypatch.setattr(trainer.adversary, method, seen)
        trainer.train_batch(*batch)
    truth = trainer.stft.analyse(clean)
    for method in ("learn", "loss"):
        assert torch.equal(voices["truth", method], truth)
        difference = voices["goal", method] - truth  # what another network made of the mixture
        assert difference.abs().mean() > 0.01 * truth.abs().mean()

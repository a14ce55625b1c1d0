"""Training: a resumed run is the same run, processes train one network, scores come through the enhancer."""

import hashlib
import json
import os
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from munsit_denoise.engine.filter import Filter
from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.weights import load_network
from tests.audio import hiss, voice
from tests.prepared import start
from training import train
from training.evaluate import evaluate, summary
from training.losses.denoising import LossShares
from training.mix.mixer import MixConfig
from training.recipe import Recipe, Start, learning_rate, read_recipe

RECIPES = Path(__file__).parents[2] / "training" / "recipes"


def recipe(pack: Path, out: Path) -> Recipe:
    small: dict[str, Any] = {"batch": 2, "validation_items": 2, "every_steps": 2, "workers": 0, "warmup_steps": 2}
    model, mix = ModelSize(8), MixConfig(seconds=0.8)
    return Recipe(corpus=(pack,), cache=pack / "cache", out=out, steps=4, model=model, mix=mix, **small)


def test_a_resumed_run_is_the_same_run(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train.run(recipe(pack, tmp_path / "straight"))
    step = train.Trainer.train_batch

    def interrupted(self: train.Trainer, *batch: Tensor) -> Tensor:
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(train.Trainer, "train_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(recipe(pack, tmp_path / "resumed"))
    monkeypatch.undo()
    train.run(recipe(pack, tmp_path / "resumed"))
    one, two = (
        load_network(torch.device("cpu"), tmp_path / run / "model.safetensors") for run in ("straight", "resumed")
    )
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


RECIPE_OF_TWO = """
corpus = ["{pack}"]
cache = "{pack}/cache"
out = "{out}"
steps = 4
batch = 2
validation_items = 2
every_steps = 2
workers = 0
[model]
channels = 8
[mix]
seconds = 0.8
"""


def test_two_processes_train_one_network(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(RECIPE_OF_TWO.format(pack=pack, out=tmp_path / "out"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    torchrun = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    with (tmp_path / "told").open("wb") as told:
        processes = [
            start(
                ["training.train", tmp_path / "two.toml"],
                os.environ | torchrun | {"RANK": rank, "LOCAL_RANK": rank},
                told,
            )
            for rank in "01"
        ]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:  # one waits for the other for ever
            process.kill()
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]  # one process writes the log
    assert all(np.isfinite(row["validation_loss"]) for row in rows)
    assert load_network(torch.device("cpu"), tmp_path / "out" / "model.safetensors").size == ModelSize(8)
    train.run(replace(recipe(pack, tmp_path / "alone"), warmup_steps=100))  # the same items in batches of two
    (alone, _) = (json.loads(line) for line in (tmp_path / "alone" / "log.jsonl").read_text().splitlines())
    assert rows[0]["train_loss"] == pytest.approx(alone["train_loss"], rel=0.05)  # but for batch normalisation


def test_a_batch_that_cannot_be_shared_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="make it a multiple"):
        train.run(recipe(pack, tmp_path), 0, 3)


def test_a_run_begins_with_the_weights_that_its_recipe_names(pack: Path, tmp_path: Path) -> None:
    train.run(recipe(pack, tmp_path / "first"))
    weights = tmp_path / "first" / "model.safetensors"
    start = Start(weights, hashlib.sha256(weights.read_bytes()).hexdigest())
    trainer = train.Trainer(replace(recipe(pack, tmp_path / "second"), start=start))
    found = load_file(weights)
    assert trainer.step == 0
    for name, value in trainer.average.items():
        assert torch.equal(value, found[name].to(value.dtype)), name
    with pytest.raises(ValueError, match="the recipe starts from 0000"):
        train.Trainer(replace(recipe(pack, tmp_path / "third"), start=Start(weights, "0" * 64)))


def test_mixed_precision_is_of_the_network_and_trains_as_well(pack: Path, tmp_path: Path) -> None:
    found, losses = {}, {}
    for mixed in (False, True):
        trainer = train.Trainer(replace(recipe(pack, tmp_path / str(mixed)), mixed_precision=mixed))
        products = set[torch.dtype]()
        for module in trainer.network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(lambda _, __, out, seen=products: seen.add(out.dtype))
        clean = torch.from_numpy(voice(0.8, 48_000))[None].repeat(2, 1)
        noisy = clean + torch.from_numpy(hiss(clean.numel())).view_as(clean)
        losses[mixed] = [trainer.train_batch(noisy, clean, torch.tensor([24_000.0] * 2)).item() for _ in range(4)]
        found[mixed] = products, trainer.optimiser.precision
    assert found == {False: ({torch.float32}, torch.float32), True: ({torch.bfloat16}, torch.bfloat16)}
    assert losses[True] != losses[False]
    assert losses[True] == pytest.approx(losses[False], rel=0.1)
    assert losses[True][-1] < losses[True][0]


def test_the_rate_warms_up_stays_and_falls(tmp_path: Path) -> None:
    plan = replace(recipe(tmp_path, tmp_path), steps=1000, warmup_steps=100, learning_rate=1.0, decay_share=0.2)
    rates = [learning_rate(plan, step) for step in (0, 99, 500, 800, 900, 1000)]
    assert rates == pytest.approx([0.01, 1, 1, 1, 0.5, 0])


def test_distances_join_the_loss_when_the_recipe_says(pack: Path, tmp_path: Path) -> None:
    late = replace(recipe(pack, tmp_path), loss=LossShares(pesq_share=1.0), distances_from=0.5)
    trainer = train.Trainer(late)
    clean = torch.from_numpy(voice(0.8, 48_000))[None]
    batch = clean + torch.from_numpy(hiss(clean.shape[1])), clean, torch.tensor([24_000.0])
    trainer.network.eval()
    losses = []
    for step in (0, 1, 2, 3):
        trainer.step = step
        with torch.no_grad():
            losses.append(trainer.loss(*batch).item())
    assert losses[0] == losses[1] < losses[2] == losses[3]


def test_recipes_start_from_nothing_or_from_weights_named_by_their_digest() -> None:
    recipes = {path.stem: read_recipe(path) for path in RECIPES.iterdir()}
    assert set(recipes) == {"base", "dry", "finetune", "smoke", "voices"}
    assert recipes["base"].start is recipes["smoke"].start is None
    start = recipes["finetune"].start
    assert start
    assert start.verified().exists()
    assert recipes["base"].mix == recipes["finetune"].mix
    assert recipes["dry"].start == start
    assert [name for name, one in recipes.items() if one.mix.early_s] == ["dry"]
    earlier = recipes["voices"].start
    assert earlier
    assert earlier.sha256 != start.sha256
    assert earlier.sha256 in (RECIPES.parents[1] / "docs" / "research.md").read_text()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("stepps = 3", "stepps"),
        ("batch = 0", "greater than 0"),
        ("[mix]\nsnr = 3", "snr"),
        ("[model]\nchanels = 8", "chanels"),
        ("[loss]\npesq = 1", "pesq"),
        ('[start]\nfile = "weights"', "sha256"),
    ],
)
def test_a_mistake_in_a_recipe_is_told(tmp_path: Path, line: str, says: str) -> None:
    text = 'corpus = ["a"]\ncache = "b"\nout = "c"\nsteps = 1\n' + line
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(ValidationError, match=re.escape(says)):
        read_recipe(tmp_path / "recipe.toml")


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

"""What a training run is made by: a TOML file with the tables `train`, `model` and `mix`."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munsit_denoise.engine.model import ModelSize, tupled
from training.adversary import ALL_SNRS, SnrRange
from training.distillation import TeacherConfig
from training.loss import LossShares
from training.mix import MixConfig


@dataclass(frozen=True)
class TrainConfig(LossShares, TeacherConfig):
    """One run; every figure that its result depends on."""

    corpus: tuple[str, ...]  # folders with a MANIFEST.csv
    cache: str
    out: str
    steps: int
    minutes: float = 0.0  # where above zero, the run ends by the clock, and its rate falls by it
    start: str = ""  # weights to begin with, none where empty
    batch: int = 8  # of all processes together
    copies: int = 0  # so many times a batch joins it, with other noises (`training/remix.py`)
    optimiser: str = "adamw"  # or "muon"
    only: tuple[str, ...] = ()  # what the names of parameters that learn begin with, all where empty; not with Muon
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100
    decay_share: float = 0.25  # the last part of the run, in which the rate falls to zero linearly
    ema_decay: float = 0.998
    clip_norm: float = 1.0
    verdict_share: float = 0.0  # what the discriminator's verdict weighs in the loss
    feature_share: float = 0.0  # what the distance of its layers' values weighs, relative to their size
    adversary_fades_db: SnrRange = ALL_SNRS  # the SNRs from which on both weigh less, and nothing
    adversary_knows: str = "truth"  # or "goal": what it takes for clean speech, with a teacher's share in it
    adversary_from: float = 0.0  # share of the run after which the discriminator joins
    validation_items: int = 48
    every_steps: int = 250
    pairs: str = ""  # development pairs to score the averaged weights on, none where empty
    pairs_every_steps: int = 1000
    seed: int = 1
    threads: int = 1
    workers: int = 1
    device: str = "cpu"
    mixed_precision: bool = False  # the network's and Muon's products in bfloat16; transforms and loss stay in float32
    model: ModelSize = field(default_factory=ModelSize)
    mix: MixConfig = field(default_factory=MixConfig)

    def __post_init__(self) -> None:
        """Raise ValueError for what does not go together."""
        super().__post_init__()
        if self.only and self.optimiser == "muon":
            raise ValueError("muon moves all matrices; `only` goes with adamw")
        full_db, nothing_db = self.adversary_fades_db
        if self.adversary_fades_db != ALL_SNRS and not full_db < nothing_db:
            raise ValueError(f"a weight that is whole up to {full_db} dB can't be gone at {nothing_db} dB")
        if self.adversary_knows not in ("truth", "goal"):
            raise ValueError(f"a discriminator knows the truth or the goal, not {self.adversary_knows}")


def read_config(path: Path) -> TrainConfig:
    """Read a TOML file with the tables `train`, `model` and `mix`."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text())
    train, mix = (tupled(tables.get(name, {})) for name in ("train", "mix"))
    return TrainConfig(**train, model=ModelSize.of(tables.get("model", {})), mix=MixConfig(**mix))


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Return the rate of a step, with a share of the run done: warm-up, constant, linear decay."""
    return config.learning_rate * min(1.0, (step + 1) / config.warmup_steps, max((1 - done) / config.decay_share, 0.0))

"""The recipe of a training run: a TOML file whose values are all checked before the run begins."""

import hashlib
import tomllib
from dataclasses import field
from pathlib import Path

from pydantic import ConfigDict, PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from munsit_denoise.engine.model import ModelSize
from training.losses.denoising import LossShares
from training.mix.mixer import MixConfig

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Start:
    """The weights that a run starts from, identified by their SHA-256."""

    file: Path
    sha256: str

    def verified(self) -> Path:
        """Return the file. Raises ValueError if its SHA-256 is another one."""
        found = hashlib.sha256(self.file.read_bytes()).hexdigest()
        if found != self.sha256:
            raise ValueError(f"{self.file} has the SHA-256 {found}, and the recipe starts from {self.sha256}")
        return self.file


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """One run; everything that its result depends on."""

    corpus: tuple[Path, ...]  # folders with a MANIFEST.csv, made by `training.prepare`
    cache: Path
    out: Path
    steps: PositiveInt
    start: Start | None = None  # None: random weights
    batch: PositiveInt = 12  # over all processes
    learning_rate: float = 1e-3
    warmup_steps: PositiveInt = 100
    decay_share: float = 0.5  # the last part of the run, in which the learning rate falls linearly to zero
    ema_decay: float = 0.997
    clip_norm: float = 1.0
    distances_from: float = 0.0  # share of the run after which the PESQ, ESTOI and mel terms join the loss
    teacher_share: float = 0.0  # of DeepFilterNet3's result in the target (`training/teacher.py`)
    validation_items: PositiveInt = 48
    every_steps: PositiveInt = 250  # between two log lines and checkpoints
    pairs: Path | None = None  # for scoring the averaged weights
    pairs_every_steps: PositiveInt = 1000
    seed: int = 1
    threads: PositiveInt = 1
    workers: int = 1
    device: str = "cpu"
    mixed_precision: bool = False  # products of network and Muon in bfloat16; transforms and loss stay in float32
    model: ModelSize = field(default_factory=ModelSize)
    loss: LossShares = field(default_factory=LossShares)
    mix: MixConfig = field(default_factory=MixConfig)


def read_recipe(path: Path) -> Recipe:
    """Read a TOML file. Raises pydantic's ValidationError, a ValueError, for unknown keys and wrong values."""
    return TypeAdapter(Recipe).validate_python(tomllib.loads(path.read_text()))


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step: warm-up, constant, linear decay."""
    left = 1 - step / recipe.steps
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps, max(left / recipe.decay_share, 0.0))

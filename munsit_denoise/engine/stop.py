"""The exception that ends a recording early. Needs no PyTorch."""


class Stopped(Exception):
    """The recording is no longer wanted."""


def never() -> bool:
    """Return False, for a recording that nobody stops."""
    return False

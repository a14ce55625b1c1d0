"""What a check finds: all is well, or what is wrong and what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from munsit_denoise.settings import Settings


class State(StrEnum):
    """How a part of the installation is."""

    OK = "ok"
    WARNING = "warning"  # it works, with a drawback
    WRONG = "wrong"
    SKIPPED = "skipped"  # another part has to be mended first


@dataclass(frozen=True)
class Finding:
    """What is to be told of a part: how it is, and what to do where that is not well."""

    state: State
    message: str
    remedy: str | None = None


Look = Callable[[Settings], Finding]


@dataclass(frozen=True)
class Check:
    """How a part is looked at, in a thread of its own: `look` may block for ever."""

    name: str
    look: Look
    silent: str  # what to do when it does not answer
    needs: tuple[str, ...] = ()  # parts that must be well before
    deadline_s: float = 15.0


def fine(message: str) -> Finding:
    """Return that all is well."""
    return Finding(State.OK, message)


def doubtful(message: str, remedy: str) -> Finding:
    """Return that something works with a drawback."""
    return Finding(State.WARNING, message, remedy)


def wrong(message: str, remedy: str) -> Finding:
    """Return that something does not work."""
    return Finding(State.WRONG, message, remedy)

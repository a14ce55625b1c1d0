"""The finding of a check: the state of a part, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from munsit_denoise.settings import Settings


class State(StrEnum):
    """The state of a part of the installation."""

    OK = "ok"
    WARNING = "warning"  # works, with a drawback
    WRONG = "wrong"
    SKIPPED = "skipped"  # another part must be corrected first


@dataclass(frozen=True)
class Finding:
    """The state of a part, a sentence, and a remedy if needed."""

    state: State
    message: str
    remedy: str | None = None


Look = Callable[[Settings], Finding]


@dataclass(frozen=True)
class Check:
    """One check, run in its own thread: `look` may block without limit."""

    name: str
    look: Look
    silent: str  # what to do if it does not return
    needs: tuple[str, ...] = ()  # checks that must succeed before
    deadline_s: float = 15.0


def fine(message: str) -> Finding:
    """Return a finding without trouble."""
    return Finding(State.OK, message)


def doubtful(message: str, remedy: str) -> Finding:
    """Return a finding for a part that works with a drawback."""
    return Finding(State.WARNING, message, remedy)


def wrong(message: str, remedy: str) -> Finding:
    """Return a finding for a part that does not work."""
    return Finding(State.WRONG, message, remedy)

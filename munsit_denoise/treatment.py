"""What can be done to the sound of a recording."""

from dataclasses import dataclass
from enum import StrEnum

TRANSCRIPTION = "transcription"  # a strength by its purpose
TRANSCRIPTION_STRENGTH = 0.6  # recognisers hear noise better than what noise removal takes away: docs/quality.md


def strength_of(text: str) -> float:
    """Return the strength that a text names, a number or a purpose. Raises ValueError."""
    return TRANSCRIPTION_STRENGTH if text == TRANSCRIPTION else float(text)


class Quality(StrEnum):
    """How much work is put into a recording."""

    STANDARD = "standard"
    BEST = "best"  # two models together


class Keep(StrEnum):
    """What does not count as noise."""

    VOICE = "voice"
    VOICE_AND_MUSIC = "voice+music"  # and all else that rises above the steady background


@dataclass(frozen=True)
class Treatment:
    """What is done to the sound of a recording."""

    strength: float = 1.0  # share of the noise reduction, 0 leaves the sound alone
    quality: Quality = Quality.STANDARD
    keep: Keep = Keep.VOICE

"""The ways to treat the sound of a recording."""

from dataclasses import dataclass
from enum import StrEnum

TRANSCRIPTION = "transcription"  # a strength named by its purpose
TRANSCRIPTION_STRENGTH = 0.4  # recognisers cope better with noise than with full noise removal: docs/quality.md


def strength_of(text: str) -> float:
    """Return the strength for a text, which is a number or a purpose. Raises ValueError."""
    return TRANSCRIPTION_STRENGTH if text == TRANSCRIPTION else float(text)


class Quality(StrEnum):
    """How much computation is spent on a recording."""

    STANDARD = "standard"
    BEST = "best"  # two models together


class Keep(StrEnum):
    """What remains of a recording."""

    VOICE = "voice"
    VOICE_AND_MUSIC = "voice+music"  # and everything else that rises above the steady background
    DRY_VOICE = "dry-voice"  # the voice without its reverberation


@dataclass(frozen=True)
class Treatment:
    """The treatment of a recording's sound."""

    strength: float = 1.0  # share of the noise reduction; 0 changes nothing
    quality: Quality = Quality.STANDARD
    keep: Keep = Keep.VOICE

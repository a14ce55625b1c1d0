"""What can be done to the sound of a recording."""

from dataclasses import dataclass
from enum import StrEnum


class Quality(StrEnum):
    """How much work is put into a recording."""

    STANDARD = "standard"
    BEST = "best"  # two models together


@dataclass(frozen=True)
class Treatment:
    """What is done to the sound of a recording."""

    strength: float = 1.0  # share of the noise reduction, 0 leaves the sound alone
    quality: Quality = Quality.STANDARD

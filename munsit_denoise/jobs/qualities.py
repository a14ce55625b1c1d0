"""The qualities that a server offers, and its default."""

from dataclasses import dataclass, replace

from munsit_denoise.errors import InvalidOption
from munsit_denoise.records import Options
from munsit_denoise.treatment import Quality

NOT_HERE = (
    "quality: best is not installed on this server. Please ask for standard, or have its operator run: "
    "pip install 'munsit-denoise[best]'"
)


@dataclass(frozen=True)
class Qualities:
    """The qualities of this server."""

    usual: Quality = Quality.STANDARD
    has_best: bool = True

    @property
    def offered(self) -> list[Quality]:
        """Return those that are installed, the usual one first."""
        here = [Quality.STANDARD] + [Quality.BEST] * self.has_best
        return sorted(here, key=lambda one: one is not self.usual)

    def check(self, asked: Quality) -> None:
        """Raise InvalidOption for a quality that is not installed."""
        if asked is Quality.BEST and not self.has_best:
            raise InvalidOption(NOT_HERE)

    def asked(self, quality: Quality | None) -> Quality | None:
        """Return an option's quality, or None for the default, whether it was named or not."""
        return None if quality is self.usual else quality

    def settled(self, options: Options) -> Options:
        """Return options with an explicit quality."""
        return options if options.quality else replace(options, quality=self.usual)

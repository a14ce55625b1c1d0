"""The order: what the command line asks for."""

from dataclasses import dataclass
from pathlib import Path

from munsit_denoise.treatment import Keep, Quality, Treatment

PIPE = "-"  # standard input as INPUT, standard output as OUTPUT


class UsageError(Exception):
    """The command is contradictory; the message says why. Nothing was written."""


@dataclass(frozen=True)
class Order:
    """Inputs, output and options."""

    inputs: tuple[str, ...]
    output: str
    strength: float = 1.0  # 0 to 1
    quality: Quality | None = None  # None: the default of the settings
    keep: Keep = Keep.VOICE  # what remains
    extension: str | None = None  # of all results; None: that of each input
    level_lufs: float | None = None
    track: int = 0
    overwrite: bool = False
    skip_existing: bool = False
    recursive: bool = True
    jobs: int = 1
    json: bool = False
    dry_run: bool = False

    @property
    def treatment(self) -> Treatment:
        """The treatment of the sound."""
        return Treatment(self.strength, self.quality or Quality.STANDARD, self.keep)

    @property
    def sources(self) -> tuple[Path, ...]:
        """The inputs as paths."""
        return tuple(Path("/dev/stdin" if given == PIPE else given) for given in self.inputs)

    @property
    def target(self) -> Path:
        """The output as a path."""
        return Path("/dev/stdout" if self.output == PIPE else self.output)


@dataclass(frozen=True)
class Pair:
    """One file, and the path of its result."""

    source: Path
    target: Path
    extension: str  # one of FORMATS
    size_bytes: int = 0
    found: bool = False  # in a folder, not named on the command line


@dataclass(frozen=True)
class Levels:
    """Levels of the sound before and after."""

    input_rms_dbfs: float | None  # None for digital silence
    input_peak_dbfs: float | None
    output_rms_dbfs: float | None
    output_peak_dbfs: float | None
    output_lufs: float | None = None  # if a loudness was requested
    output_true_peak_dbtp: float | None = None


@dataclass(frozen=True)
class FileResult:
    """The result of one file."""

    source: Path
    target: Path
    state: str  # done, skipped, failed, or planned in a dry run
    duration_s: float | None = None  # of the sound
    elapsed_s: float = 0.0
    levels: Levels | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None

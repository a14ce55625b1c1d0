"""A short noisy recording of a voice, so that a new server can be tried with nothing at hand; see LICENSE.txt."""

import shutil
from pathlib import Path

RECORDING = Path(__file__).parent / "noisy.wav"


def write_sample(path: Path) -> None:
    """Copy the recording, 5.5 s of WAV at 16 kHz, mono; it appears whole. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    shutil.copyfile(RECORDING, part)
    part.replace(path)

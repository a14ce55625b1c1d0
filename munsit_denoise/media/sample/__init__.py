"""A short noisy recording of a voice, to try a new server with; see LICENSE.txt."""

import shutil
from pathlib import Path

RECORDING = Path(__file__).parent / "noisy.wav"


def write_sample(path: Path) -> None:
    """Copy the recording, 5.5 s of mono WAV at 16 kHz; the file appears complete or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    shutil.copyfile(RECORDING, part)
    part.replace(path)

"""Make the sample recording of the package, munsit_denoise/media/sample/noisy.wav, from a noisy recording."""

import sys
from pathlib import Path

from pydub import AudioSegment

TARGET = Path(__file__).parent.parent / "munsit_denoise/media/sample/noisy.wav"
LENGTH_MS = 5500
FADE_MS = 15
PEAK_DBFS = -3.0


def main() -> None:
    """Write the beginning of a recording, with fades and a normalised level, as 16-bit WAV."""
    source = AudioSegment.from_file(sys.argv[1]).set_channels(1)
    cut = source[:LENGTH_MS].fade_in(FADE_MS).fade_out(FADE_MS)
    cut.apply_gain(PEAK_DBFS - cut.max_dBFS).export(TARGET, format="wav").close()


if __name__ == "__main__":
    main()

"""Cut the recording that a new server is tried with, munsit_denoise/media/sample/noisy.wav, from a noisy pair."""

import sys
from pathlib import Path

from pydub import AudioSegment

TARGET = Path(__file__).parent.parent / "munsit_denoise/media/sample/noisy.wav"
LENGTH_MS = 5500
FADE_MS = 15
PEAK_DBFS = -3.0


def main() -> None:
    """Write the beginning of a recording, faded at the cuts and brought to a level, as 16-bit WAV."""
    source = AudioSegment.from_file(sys.argv[1]).set_channels(1)
    cut = source[:LENGTH_MS].fade_in(FADE_MS).fade_out(FADE_MS)
    cut.apply_gain(PEAK_DBFS - cut.max_dBFS).export(TARGET, format="wav").close()


if __name__ == "__main__":
    main()

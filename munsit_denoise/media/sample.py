"""A short noisy recording of our own making, so that a new server can be tried with nothing at hand."""

from pathlib import Path

from pydub import AudioSegment
from pydub.generators import Sine, WhiteNoise

RATE_HZ = 44_100
MELODY_HZ = (147, 165, 185, 196, 220, 196, 185, 147)
NOTE_MS = 600


def write_sample(path: Path) -> None:
    """Write a hummed melody in hiss as WAV: 4.8 s, mono."""
    melody = sum((_note(hertz) for hertz in MELODY_HZ), start=AudioSegment.empty())
    hiss = WhiteNoise(sample_rate=RATE_HZ).to_audio_segment(duration=len(melody), volume=-34)
    melody.overlay(hiss).export(path, format="wav").close()


def _note(hertz: int) -> AudioSegment:
    """Return a note with the falling harmonics of a voice."""
    note = AudioSegment.silent(duration=NOTE_MS, frame_rate=RATE_HZ)
    for harmonic in range(1, 9):
        tone = Sine(hertz * harmonic, sample_rate=RATE_HZ)
        note = note.overlay(tone.to_audio_segment(duration=NOTE_MS, volume=-18 - 4.0 * harmonic))
    return note.fade_in(40).fade_out(120)

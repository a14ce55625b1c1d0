"""Voices, words and songs of the development pairs, at the model's rate and in a constant order."""

import csv
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import torch

from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform
from training.mix.signals import active_rms, unit

SECONDS = 5
TALKERS = 6  # in babble
FRAME = 960  # samples, 20 ms
WORD_DB = -35.0  # relative to the loudest frame: softer frames are between words
GAP_FRAMES = 8  # the shortest pause between words
SHORTEST_FRAMES, LONGEST_FRAMES = 10, 60


class Material:
    """The recordings of a folder with `noisy`, `clean` and `pairs.csv`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with (folder / "pairs.csv").open(newline="") as file:
            self._rows = list(csv.DictReader(file))

    def voice(self, turn: int) -> Waveform:
        """Return SECONDS of a voice, in another language each turn."""
        wanted = ("en", "ar", "el", "hu", "he")[turn % 5]
        rows = [row for row in self._rows if row["language"] == wanted and row["kind"] != "genuine"]
        return looped(self._read("clean", rows[turn // 5 % len(rows)]), SECONDS * SAMPLE_RATE_HZ)

    def arabic_words(self, turn: int, count: int) -> list[Waveform]:
        """Return Arabic words."""
        return self._some([row for row in self._rows if row["language"] == "ar"], turn, count)

    def words(self, turn: int, count: int) -> list[Waveform]:
        """Return words of children's programs."""
        return self._some([row for row in self._rows if row["rate"] == "48000"], turn, count)

    def song(self, turn: int, samples: int) -> Waveform:
        """Return a piece of music."""
        rows = [row for row in self._rows if row["noise"].startswith("music")]
        row = rows[turn % len(rows)]
        return looped(self._read("noisy", row) - self._read("clean", row), samples)

    def babble(self, turn: int, samples: int) -> Waveform:
        """Return several readers of English at the same time."""
        starts = np.linspace(0, SAMPLE_RATE_HZ, TALKERS).astype(int)
        talkers = [self._readers[(turn + 1 + number) % len(self._readers)] for number in range(TALKERS)]
        parts = [looped(np.roll(x, start), samples) for x, start in zip(talkers, starts, strict=True)]
        return unit(np.sum([part / active_rms(part) for part in parts], axis=0, dtype=np.float32))

    def english(self) -> list[Waveform]:
        """Return every recording of English speech."""
        return [self._read("clean", row) for row in self._rows if row["language"] == "en"]

    def noises(self) -> list[Waveform]:
        """Return all added noises."""
        added = [row for row in self._rows if row["kind"] != "genuine"]
        return [self._read("noisy", row) - self._read("clean", row) for row in added]

    @cached_property
    def _readers(self) -> list[Waveform]:
        return [self._read("clean", row) for row in self._rows if row["speaker"].startswith("LS")]

    def _some(self, rows: list[dict[str, str]], turn: int, count: int) -> list[Waveform]:
        found = [word for row in rows[turn % len(rows) :][:3] for word in split_words(self._read("clean", row))]
        return found[:count]

    def _read(self, which: str, row: dict[str, str]) -> Waveform:
        x, rate_hz = soundfile.read(self._folder / which / f"{row['id']}.flac", dtype="float32")
        whole = np.pad(x, (0, -len(x) % rate_hz))
        out: Waveform = resample_window(torch.from_numpy(whole), len(whole) // rate_hz * SAMPLE_RATE_HZ).numpy()
        return out[: len(x) * SAMPLE_RATE_HZ // rate_hz]


def looped(x: Waveform, samples: int) -> Waveform:
    """Return this many samples of x, repeated if it is shorter."""
    return np.resize(x, samples)


def split_words(x: Waveform) -> list[Waveform]:
    """Return the stretches between pauses that are as long as a word."""
    power = np.square(x[: len(x) // FRAME * FRAME].reshape(-1, FRAME)).mean(axis=1)
    loud = power > power.max() * 10 ** (WORD_DB / 10)
    closed = np.convolve(loud, np.ones(GAP_FRAMES), "same") > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], closed, [False]]).astype(int)))
    runs = [(start, stop) for start, stop in edges.reshape(-1, 2) if SHORTEST_FRAMES <= stop - start <= LONGEST_FRAMES]
    return [x[start * FRAME : stop * FRAME] for start, stop in runs]

"""A training pack in miniature."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio import hiss, voice
from training.data.corpus import Corpus, open_corpus


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training pack in miniature: two voices, two noises, a room."""
    root = tmp_path_factory.mktemp("pack")
    rows = []
    for number, rate_hz in enumerate((16_000, 44_100)):
        soundfile.write(root / f"speech{number}.wav", voice(1.5, rate_hz), rate_hz)
        soundfile.write(root / f"noise{number}.wav", hiss(rate_hz, seed=number), rate_hz)
        rows += [(f"speech{number}.wav", "speech", f"voice{number}"), (f"noise{number}.wav", "noise", f"class{number}")]
    room = np.zeros(4_800)
    room[100], room[1_000] = 1, 0.3
    soundfile.write(root / "rir.wav", room, 48_000)
    rows.append(("rir.wav", "rir", ""))
    with (root / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "kind", "speaker_or_class", "est_snr_db"])
        writer.writerows([(*row, "") for row in rows])
    return root


@pytest.fixture(scope="module")
def corpus(pack: Path) -> Corpus:
    return open_corpus([pack], pack / "cache")

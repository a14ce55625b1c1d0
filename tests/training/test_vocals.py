"""Singing and shouting made from speech."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio import voice
from training.data.recordings import COLUMNS
from training.data.vocals import (
    HIGHEST_HZ,
    LONGEST_S,
    OF_EACH_VOICE,
    STYLES,
    Analysed,
    build,
    drawn_out,
    emotional,
    sung,
)

RATE_HZ = 16_000
FRAMES = 300


def analysed() -> Analysed:
    """Return a voice at 150 Hz that is voiced from frame 100 to 200."""
    pitch_hz = np.where((np.arange(FRAMES) >= 100) & (np.arange(FRAMES) < 200), 150.0, 0.0)
    return Analysed(pitch_hz, np.ones((FRAMES, 5)), np.full((FRAMES, 5), 0.1))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(5))
def test_every_style_keeps_what_is_unvoiced_and_stays_in_the_range_of_a_voice(style, seed: int) -> None:
    made = style(np.random.default_rng(seed), analysed())
    assert len(made.pitch_hz) == len(made.envelope) == len(made.aperiodicity) >= FRAMES
    voiced = made.pitch_hz > 0
    assert np.count_nonzero(~voiced) == pytest.approx(200, abs=3)  # consonants are not drawn out
    assert 50 < made.pitch_hz[voiced].min() <= made.pitch_hz.max() <= 1.15 * HIGHEST_HZ


def test_singing_moves_from_note_to_note_and_drawing_out_keeps_the_melody() -> None:
    rng = np.random.default_rng(3)
    long = Analysed(np.full(900, 150.0), np.ones((900, 5)), np.full((900, 5), 0.1))
    notes = sung(rng, long).pitch_hz
    assert notes.max() / notes.min() > 1.1
    same = drawn_out(rng, long).pitch_hz
    assert np.ptp(same) == 0
    assert len(same) >= 2 * 900 - 1


def test_emotional_speech_has_a_wider_range() -> None:
    pitch_hz = np.linspace(100, 200, FRAMES)
    made = emotional(np.random.default_rng(1), Analysed(pitch_hz, np.ones((FRAMES, 5)), np.ones((FRAMES, 5))))
    assert made.pitch_hz.max() / made.pitch_hz.min() > 1.3 * 2


def test_a_pack_is_made_of_another_one_and_the_same_again(tmp_path: Path) -> None:
    pytest.importorskip("pyworld")
    write_voices(tmp_path / "voices")
    for folder in ("once", "again"):
        assert build(tmp_path / folder, tmp_path / "voices") == OF_EACH_VOICE
    with (tmp_path / "once" / "MANIFEST.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {"vocal"}
    assert {row["licence"] for row in rows} == {"CC0"}
    for row in rows:
        x, rate_hz = soundfile.read(tmp_path / "once" / row["file"])
        assert rate_hz == RATE_HZ
        assert 1 < len(x) / rate_hz < LONGEST_S + 0.1
        assert np.isfinite(x).all()
        assert np.abs(x).max() == pytest.approx(0.5, abs=0.01)
        assert (tmp_path / "again" / row["file"]).read_bytes() == (tmp_path / "once" / row["file"]).read_bytes()


def write_voices(folder: Path) -> None:
    """Write a pack of one voice with one recording."""
    (folder / "audio").mkdir(parents=True)
    soundfile.write(folder / "audio" / "a.flac", voice(2.0, RATE_HZ), RATE_HZ)
    with (folder / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        figures = {"seconds": 2.0, "rate": RATE_HZ, "est_snr_db": 50, "language": "", "note": ""}
        row = {"file": "audio/a.flac", "kind": "speech", "source": "rule", "licence": "CC0", "speaker_or_class": "one"}
        writer.writerow(row | figures)

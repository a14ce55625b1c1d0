"""Speakers that nobody is: each as different from the others as voices are, the same whenever they are made."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from training import speakers
from training.speakers import collected, new_style, pronounced

STYLES = np.random.default_rng(3).normal(0, 0.1, (5, 7, 256)).astype(np.float32)


def test_a_style_lies_among_the_known_ones_and_no_two_are_alike() -> None:
    rng = np.random.default_rng(1)
    found = [new_style(STYLES, rng) for _ in range(20)]
    assert all(style.shape == (7, 256) and style.dtype == np.float32 for style in found)
    apart = [float(np.abs(one - other).mean()) for one in found for other in found if one is not other]
    assert min(apart) > 0.02
    furthest = max(float(np.linalg.norm((style - STYLES.mean(0))[0])) for style in found)
    assert furthest < 3 * float(np.linalg.norm(STYLES[:, 0] - STYLES[:, 0].mean(0), axis=1).max())


def test_a_speaker_keeps_its_timbre_for_texts_of_all_lengths() -> None:
    level = np.repeat(STYLES[:, :1], 7, axis=1)  # the known voices' do not change
    style = new_style(level, np.random.default_rng(2))
    assert np.ptp(style, axis=0).max() < 1e-6


def test_sayings_are_of_the_right_length_and_without_their_authors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = "What is said here is long enough to be spoken, for it goes on and on\nand ends, as it should, much later."
    (tmp_path / "wise.u8").write_text(f"Too short.\n%\n{fits}\n\t\t-- Somebody\n%\n{fits.replace('on', '<on>')}\n%\n")
    monkeypatch.setattr(speakers, "unpacked", lambda *_: tmp_path)
    assert collected("any", "*.u8", tmp_path) == [fits.replace("\n", " ")]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_clauses_are_parted_by_commas() -> None:
    assert pronounced("Good day, world", "en-us") == "ɡˈʊd dˈeɪ, wˈɜːld."

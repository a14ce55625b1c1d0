"""Speakers that nobody is: each as different from the others as voices are, the same whenever they are made."""

import csv
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from training.data import speakers
from training.data.speakers import LANGUAGES, SAYINGS, build, collected, new_style, pronounced

NETWORK = b"weights"
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
    assert collected("fortunes", "*.u8", tmp_path) == [fits.replace("\n", " ")]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_clauses_are_parted_by_commas() -> None:
    assert pronounced("Good day, world", "en-us") == "ɡˈʊd dˈeɪ, wˈɜːld."


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_they_speak_the_same_words_whenever_they_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Humming)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    write_packages(tmp_path / "unpacked", NETWORK)
    monkeypatch.setattr(speakers, "unpacked", lambda *_: tmp_path / "unpacked")
    monkeypatch.setattr(speakers, "PARTS", speakers.PARTS[:1])
    for folder in ("once", "again"):
        assert build(tmp_path / folder, tmp_path / "packages", 2) == 2 * SAYINGS
    once, again = (tmp_path / folder / "MANIFEST.csv" for folder in ("once", "again"))
    assert once.read_text() == again.read_text()
    rows = list(csv.DictReader(once.read_text().splitlines()))
    assert {row["speaker_or_class"] for row in rows} == {"kokoro 000", "kokoro 001"}
    for row in rows:
        one, other = (soundfile.read(tmp_path / folder / row["file"])[0] for folder in ("once", "again"))
        assert np.array_equal(one, other)
        assert len(one) / speakers.RATE_HZ == pytest.approx(float(row["seconds"]), abs=0.01)


class Humming:
    """A network that hums 100 samples a token."""

    def __init__(self, network: bytes, _options: object, _providers: list[str]) -> None:
        assert network == NETWORK

    def run(self, _names: None, inputs: dict[str, Any]) -> list[Any]:
        assert inputs["style"].shape == (1, 256)
        return [np.sin(np.tile(inputs["tokens"], 100))]


def write_packages(folder: Path, network: bytes) -> None:
    """Write what the packages hold: a network in parts, its tokens, styles, sayings in three languages."""
    (folder / "voice/data").mkdir(parents=True)
    sounds = {chr(code): code for code in range(32, 1000)}
    (folder / "voice/data/vocab.json").write_text(json.dumps({"vocab": sounds}))
    styles = {f"voice {number}": np.repeat(style, 64, 0)[:, None] for number, style in enumerate(STYLES)}
    np.savez(folder / "voice/data/voices_ja.npz", **styles)
    (folder / "part").mkdir()
    (folder / "part/part.bin").write_bytes(network)
    for *_, pattern, _share in LANGUAGES:
        path = folder / pattern.replace("*", "sayings")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n%\n".join(f"{'again ' * 15}{word}" for word in ("one", "two", "three", "four", "five")))

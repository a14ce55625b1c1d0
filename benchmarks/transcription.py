"""`python -m benchmarks.transcription`: the effect of noise removal on a recogniser's word errors, by strength.

The English recordings of the development pairs are mixed with the pairs' other noises at fixed ratios. An error is a
word that differs from the same recogniser's transcript of the clean recording, so its own errors do not count. See
`benchmarks.listen` for the recogniser.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from benchmarks.hard_material import Material
from benchmarks.quality import error_of_mean, run_peer
from benchmarks.words import word_errors, words
from munsit_denoise.api import enhance
from munsit_denoise.engine.keeping import lacking
from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import HOP_LENGTH, SAMPLE_RATE_HZ, Stft
from training.data.corpus import Waveform
from training.mix.signals import active_rms, unit

SNRS_DB = (0, 5, 10)
ROUNDS = 3  # mixtures of a recording at each ratio, with other noises
LONGEST_S = 27  # a recogniser's window is 30 s long: recordings are concatenated up to this
PAUSE_S = 0.5
LEVEL = 0.05
FLOOR_DB = -12.0
RECOGNISER_HZ = 16_000
NONE, CLEAN, PEER = "none", "clean", "DeepFilterNet3"


def main() -> None:
    """Mix, denoise, transcribe, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transcription", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the peers and the recogniser")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--keep", type=Path, help="keep the recordings in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        noisy = mixtures(Material(arguments.shared / "audio" / "dev"))
        for name, treat in TREATMENTS.items():
            write(folder / name, {file: treat(x) for file, x in noisy.items()})
        run_peer(arguments, "dfn3", folder / NONE, folder / PEER)
        heard = listened(arguments, folder)
    table = counted(heard)
    print_table(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


def mixtures(material: Material) -> dict[str, Waveform]:
    """Return the recordings by file name: `en_<number>_<SNR>_<round>.wav`, without noise `en_<number>_clean.wav`."""
    rng = np.random.default_rng(0)
    noises = material.noises()
    out = {}
    for number, group in enumerate(groups(material.english())):
        clean = np.concatenate(group)
        out[f"en_{number}_{CLEAN}.wav"] = clean
        for snr_db, turn in product(SNRS_DB, range(ROUNDS)):
            noise = [unit(np.resize(noises[int(rng.integers(len(noises)))], len(x))) for x in group]
            mixed = clean + np.concatenate(noise) * np.float32(LEVEL * 10 ** (-snr_db / 20))
            out[f"en_{number}_{snr_db}_{turn}.wav"] = mixed
    return out


def groups(recordings: list[Waveform]) -> list[list[Waveform]]:
    """Return the recordings, equally loud and each followed by a pause, in groups of at most LONGEST_S."""
    out: list[list[Waveform]] = [[]]
    pause = np.zeros(int(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    for x in recordings:
        one = np.concatenate([x * np.float32(LEVEL / active_rms(x)), pause])
        if sum(map(len, out[-1])) + len(one) > LONGEST_S * SAMPLE_RATE_HZ:
            out.append([])
        out[-1].append(one)
    return out


def at_strength(strength: float) -> Callable[[Waveform], Waveform]:
    """Return the treatment that removes this share of the noise."""
    return lambda x: enhance(x, SAMPLE_RATE_HZ, strength)


def down_to_floor(x: Waveform) -> Waveform:
    """Return x without noise, with no bin attenuated by more than FLOOR_DB."""
    stft, samples = Stft(), len(x) // HOP_LENGTH * HOP_LENGTH
    noisy, clean = (stft.analyse(torch.from_numpy(y[:samples])[None]) for y in (x, enhance(x, SAMPLE_RATE_HZ)))
    filtered = clean + noisy * lacking(noisy, clean, 10 ** (FLOOR_DB / 20))
    out: Waveform = stft.synthesise(filtered, samples)[0].numpy()
    return out


TREATMENTS: dict[str, Callable[[Waveform], Waveform]] = {
    NONE: lambda x: x,
    "strength 1": at_strength(1.0),
    "strength 0.8": at_strength(0.8),
    "strength 0.6": at_strength(0.6),
    "strength 0.4": at_strength(0.4),
    f"floor of {FLOOR_DB:g} dB": down_to_floor,
}


def write(folder: Path, recordings: dict[str, Waveform]) -> None:
    """Write recordings at the recogniser's rate."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, x in recordings.items():
        whole = torch.from_numpy(x[: len(x) // SAMPLE_RATE_HZ * SAMPLE_RATE_HZ])
        low = resample_window(whole, len(whole) // SAMPLE_RATE_HZ * RECOGNISER_HZ).numpy()
        soundfile.write(folder / name, low, RECOGNISER_HZ, subtype="FLOAT")


def listened(arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, str]]:
    """Return the transcripts, by treatment and file."""
    out = {}
    for treated in (folder / name for name in (*TREATMENTS, PEER)):
        with tempfile.NamedTemporaryFile(suffix=".json") as table:
            command = [arguments.peers, "-m", "benchmarks.listen", treated, table.name]
            subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
            out[treated.name] = json.loads(Path(table.name).read_text())
    return out


def counted(heard: dict[str, dict[str, str]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return, by treatment and ratio, the word errors in per cent and their difference to no treatment."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    for treatment, of in heard.items():
        conditions = [CLEAN, *map(str, reversed(SNRS_DB)), "noisy"]
        out[treatment] = {condition: errors(heard[NONE], of, condition) for condition in conditions}
    return out


def errors(untreated: dict[str, str], treated: dict[str, str], condition: str) -> dict[str, float]:
    """Return the figures of the recordings of one condition."""
    names = [name for name in treated if fits(name, condition)]
    references = [words(untreated["_".join([*name.split("_")[:2], f"{CLEAN}.wav"])]) for name in names]
    total = sum(map(len, references))
    found = [word_errors(r, words(treated[name])) for r, name in zip(references, names, strict=True)]
    before = [word_errors(r, words(untreated[name])) for r, name in zip(references, names, strict=True)]
    differences = [(b - a) * len(names) / total for a, b in zip(before, found, strict=True)]
    return {
        "words": total,
        "percent": round(100 * sum(found) / total, 1),
        "difference": round(100 * (sum(found) - sum(before)) / total, 1),
        "standard_error": round(100 * error_of_mean(differences), 1),
    }


def fits(name: str, condition: str) -> bool:
    """Return whether a recording belongs to a condition; `noisy` includes all but the clean ones."""
    ratio = name.removesuffix(".wav").split("_")[2]
    return ratio != CLEAN if condition == "noisy" else ratio == condition


def print_table(table: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print word errors in per cent, and the difference to no treatment with its standard error."""
    conditions = list(next(iter(table.values())))
    print("\nwords that differ from what is heard in the clean recording, per cent; difference to no treatment")
    print(f"{'':20}" + "".join(f"{name:>22}" for name in conditions))
    for treatment, row in table.items():
        cells = [f"{c['percent']:8.1f} {c['difference']:+6.1f} ± {c['standard_error']:4.1f}" for c in row.values()]
        print(f"{treatment:20}" + "".join(cells))


if __name__ == "__main__":
    main()

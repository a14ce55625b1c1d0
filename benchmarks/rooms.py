"""`make bench-rooms`: what `keep=dry-voice` removes of reverberation, with and without noise, next to other programs.

Voices that training never used speak in computed rooms. The reference is the direct sound with the reflections of the
first 50 ms, which the ear does not separate from it.
"""

import argparse
import csv
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

from benchmarks.music import read
from benchmarks.quality import Rows, mean, run_peer, score, standard_error
from benchmarks.room_responses import Room, response
from munsit_denoise.api import enhance
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform
from training.mix.signals import active_rms, unit

ROOMS = (  # an office, a class room, a hall
    Room((4.0, 5.0, 2.6), 0.25, 1.0),
    Room((6.0, 8.0, 3.0), 0.4, 1.5),
    Room((9.0, 13.0, 4.5), 0.6, 2.0),
)
EACH = 12  # voices in a room
EARLY_S = 0.05
LEVEL = 0.05  # RMS of the active speech
SNR_DB = 15.0
METRICS = ("pesq_wb", "estoi", "si_sdr", "dns_ovrl", "lost_percent")
OURS: dict[str, Callable[[Waveform], Waveform]] = {
    "untouched": lambda x: x,
    "keep=voice": lambda x: enhance(x, SAMPLE_RATE_HZ),
    "keep=dry-voice": lambda x: enhance(x, SAMPLE_RATE_HZ, keep="dry-voice"),
}


@dataclass(frozen=True)
class Take:
    """A voice in a room: what the microphone records, and what should remain of it."""

    recorded: Waveform
    early: Waveform


def main() -> None:
    """Compute the recordings, process them with all programs, and print a table with and without noise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rooms", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the peers and the scores")
    parser.add_argument("--pairs", type=Path, default=Path("build/data/heldout"), help="folder with the voices")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    os.environ.setdefault("DNSMOS_HOPS", "1")
    table = {}
    for noise in ("without", "15 dB"):
        takes = [take for room in ROOMS for take in recorded(arguments.pairs, room, noisy=noise != "without")]
        table[noise] = compared(arguments, takes)
        print_rows(f"noise: {noise}", table[noise])
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


def recorded(pairs: Path, room: Room, *, noisy: bool) -> list[Take]:
    """Return voices of pairs in a room, each with a response of its own; `noisy` adds the noise of the pair."""
    with (pairs / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    voices: dict[str, list[str]] = {}
    for row in rows:
        voices.setdefault(row["source_speech"], []).append(row["id"])
    turns = islice(cycle(voices.values()), EACH)
    names = [of.pop(0) for of in turns]
    return [_take(pairs, name, room, np.random.default_rng([34, n]), noisy=noisy) for n, name in enumerate(names)]


def _take(pairs: Path, name: str, room: Room, rng: np.random.Generator, *, noisy: bool) -> Take:
    voice = read(pairs / "clean" / f"{name}.flac")
    heard = response(room, rng)
    direct = np.where(np.arange(len(heard)) < EARLY_S * SAMPLE_RATE_HZ, heard, 0)
    early, all_of_it = (scipy.signal.fftconvolve(voice, r)[: len(voice)].astype(np.float32) for r in (direct, heard))
    scale = np.float32(LEVEL / active_rms(early))
    noise = unit(read(pairs / "noisy" / f"{name}.flac") - voice) * np.float32(LEVEL * 10 ** (-SNR_DB / 20))
    return Take(scale * all_of_it + (noise if noisy else 0), scale * early)


def compared(arguments: argparse.Namespace, takes: list[Take]) -> dict[str, dict[str, float]]:
    """Return the mean scores of each program, and the standard error of our difference to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "recorded", [take.recorded for take in takes], "wav")
        write(folder / "early", [take.early for take in takes], "flac")
        for who, treat in OURS.items():
            write(folder / who, [treat(take.recorded) for take in takes], "wav")
        run_peer(arguments, "dfn3", folder / "recorded", folder / "DeepFilterNet3")
        wpe = [arguments.peers, "benchmarks/wpe.py", folder / "recorded", folder / "WPE"]
        subprocess.run(wpe, check=True, stdout=subprocess.DEVNULL)
        scores = {who: score(arguments, folder / "early", folder / who) for who in (*OURS, "WPE", "DeepFilterNet3")}
    by_voice = {who: over_rooms(rows) for who, rows in scores.items()}
    return {who: _figures(rows, by_voice["keep=dry-voice"]) for who, rows in by_voice.items()}


def over_rooms(rows: Rows) -> Rows:
    """Return the means of each voice over the rooms: only voices are independent of each other."""
    voices = [{f"{room * EACH + voice:02}" for room in range(len(ROOMS))} for voice in range(EACH)]
    return {str(voice): {m: mean(rows, m, names) for m in METRICS} for voice, names in enumerate(voices)}


def write(folder: Path, waveforms: list[Waveform], suffix: str) -> None:
    """Write numbered files."""
    folder.mkdir()
    for number, x in enumerate(waveforms):
        subtype = "FLOAT" if suffix == "wav" else "PCM_24"
        soundfile.write(folder / f"{number:02}.{suffix}", x, SAMPLE_RATE_HZ, subtype=subtype)


def _figures(rows: Rows, ours: Rows) -> dict[str, float]:
    means = {metric: round(mean(rows, metric), 3) for metric in METRICS}
    return means | {f"{metric}_error": round(standard_error(ours, rows, metric), 3) for metric in METRICS}


def print_rows(title: str, rows: dict[str, dict[str, float]]) -> None:
    """Print the scores of all rooms; +- is the standard error of our difference to the row."""
    print(f"\n{title:22}" + "".join(f"{metric:>20}" for metric in METRICS), flush=True)
    for who, row in rows.items():
        print(f"{who:22}" + "".join(f"{row[m]:12.2f} +- {row[f'{m}_error']:4.2f}" for m in METRICS), flush=True)


if __name__ == "__main__":
    main()

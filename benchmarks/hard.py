"""`make bench-hard`: voices that are easily taken for noise, and noise that resembles a voice."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.hard_cases import Case, make
from benchmarks.kept import LOST_DB, pauses_db, speech_kept
from benchmarks.quality import run_peer
from munsit_denoise.api import KeepName, enhance
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform

OURS: dict[str, KeepName] = {"ours": "voice", "keep=voice+music": "voice+music"}
PEERS = {"DeepFilterNet3": "dfn3"}
GOAL_PERCENT = 5
Outputs = dict[str, list[Waveform]]  # for each kind, the result for each recording


def main() -> None:
    """Make the recordings, process them with all denoisers and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hard", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the peers")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--keep", type=Path, help="keep the recordings in this folder")
    arguments = parser.parse_args()
    cases = make(arguments.shared / "audio" / "dev")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        write(cases, folder / "noisy")
        outputs: dict[str, Outputs] = {"untouched": {kind: [case.noisy for case in of] for kind, of in cases.items()}}
        outputs |= {name: enhanced(cases, keep) for name, keep in OURS.items()}
        for name, peer in PEERS.items():
            run_peer(arguments, peer, folder / "noisy", folder / peer)
            outputs[name] = read(cases, folder / peer)
    table = {kind: {who: measured(of, outputs[who][kind]) for who in outputs} for kind, of in cases.items()}
    print_table(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


def enhanced(cases: dict[str, list[Case]], keep: KeepName) -> Outputs:
    """Return the service's results for the recordings."""
    return {kind: [enhance(case.noisy, SAMPLE_RATE_HZ, keep=keep) for case in of] for kind, of in cases.items()}


def write(cases: dict[str, list[Case]], folder: Path) -> None:
    """Write the inputs of the denoisers."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, of in cases.items():
        for number, case in enumerate(of):
            soundfile.write(folder / file_name(kind, number), case.noisy, SAMPLE_RATE_HZ, subtype="FLOAT")


def read(cases: dict[str, list[Case]], folder: Path) -> Outputs:
    """Return the results of another denoiser."""
    names = {kind: [file_name(kind, number) for number in range(len(of))] for kind, of in cases.items()}
    return {kind: [soundfile.read(folder / name, dtype="float32")[0] for name in of] for kind, of in names.items()}


def file_name(kind: str, number: int) -> str:
    return f"{kind.replace(' ', '-')}-{number}.wav"


def measured(cases: list[Case], outputs: list[Waveform]) -> dict[str, float | None]:
    """Return the figures of one kind: means over its recordings, and the worst loss of all."""
    kept = [speech_kept(case.speech, out, SAMPLE_RATE_HZ) for case, out in zip(cases, outputs, strict=True)]
    pauses = [pauses_db(case.wanted, case.noisy, out, SAMPLE_RATE_HZ) for case, out in zip(cases, outputs, strict=True)]
    told = [level_db for level_db in pauses if np.isfinite(level_db)]
    return {
        "worst_db": round(min(k.worst_db for k in kept), 1),
        "lost_percent": round(float(np.mean([k.lost_percent for k in kept])), 1),
        "pauses_db": round(float(np.mean(told)), 1) if told else None,
    }


def print_table(table: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print how much each denoiser loses of each kind."""
    names = list(next(iter(table.values())))
    print("\nworst: gain in dB of the quarter second of speech that lost most; lost: per cent of the frames with")
    print(f"speech that lost more than {LOST_DB:g} dB (goal: {GOAL_PERCENT} at most); noise: gain of the pauses in dB")
    print(f"{'':24}" + "".join(f"{name:>28}" for name in names))
    print(f"{'':24}" + f"{'worst':>12}{'lost':>8}{'noise':>8}" * len(names))
    for kind, row in table.items():
        cells = [f"{v['worst_db']:12.1f}{v['lost_percent']:8.1f}" + level(v["pauses_db"]) for v in row.values()]
        print(f"{kind:24}" + "".join(cells))
    within = {name: sum(row[name]["lost_percent"] <= GOAL_PERCENT for row in table.values()) for name in names}
    print("within the goal: " + ", ".join(f"{name} {count} of {len(table)}" for name, count in within.items()))


def level(level_db: float | None) -> str:
    return f"{'':>8}" if level_db is None else f"{level_db:8.1f}"


if __name__ == "__main__":
    main()

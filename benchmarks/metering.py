"""The cost of report and pictures: the engine alone and with meters, in turn, on one core."""

import gc
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.harness import on_cores
from benchmarks.report import line

ROUNDS = 5
PROGRAM = """
import json, sys, time, soundfile
from pathlib import Path
from munsit_denoise.engine.open import open_engine
from munsit_denoise.treatment import Treatment
from munsit_denoise.jobs.pipeline import Outcome
from munsit_denoise.jobs.report import metered
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.records import Options
path, rounds = Path(sys.argv[1]), int(sys.argv[2])
make = open_engine("cpu", 1)
x, rate = soundfile.read(path, dtype="float32", always_2d=True)
track = AudioTrack(rate, x.shape[1], None, "pcm_s16le", 16, False, len(x) / rate, "wav")
def run(with_meter):
    denoiser = make(rate, x.shape[1], Treatment())
    if with_meter:
        denoiser = metered(denoiser, track, path.stat().st_size)
    began = time.process_time()
    for start in range(0, len(x), rate):
        denoiser.feed(x[start : start + rate])
    denoiser.flush()
    tiles = b""
    if with_meter:
        denoiser.report(Outcome(), Options(), (None, None))
        tiles = denoiser.tiles()
    return time.process_time() - began, len(tiles)
run(False), run(True)
took = [(run(False)[0], *run(True)) for _ in range(rounds)]
print(json.dumps([took, len(x) / rate, path.stat().st_size]))
"""


def bench_report(speech: Path) -> None:
    """Print the meters' share of the engine's time, and the pictures' share of the original's bytes."""
    gc.collect()
    with on_cores(1):
        command = [sys.executable, "-c", PROGRAM, str(speech), str(ROUNDS)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rounds, sound_s, original_bytes = json.loads(told)
    alone_s = median(alone for alone, _, _ in rounds)
    more_s = median(measured - alone for alone, measured, _ in rounds)
    tiles_bytes = rounds[-1][2]
    line(
        "report and pictures, share of the engine's time", f"{more_s / alone_s:.1%} ({1e3 * more_s / sound_s:.2f} ms/s)"
    )
    line("  pictures, share of the original", f"{tiles_bytes / original_bytes:.2%}")

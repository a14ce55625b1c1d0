"""`make bench-speed`: seconds of sound per second, next to DeepFilterNet3 in the same run; peak memory."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median

import httpx2
import numpy as np
import soundfile

from benchmarks.harness import denoise, on_cores, peak_mib, resident_mib, serving

RATE_HZ = 48_000
SPEECH_S = 120
LONG_S = 600
REPEATS = 3
MEMORY_S = {"10 s": 10, "10 min": 600, "3 h": 10_800}

LOADING = """
import time, torch, torchaudio
from munsit_denoise.engine.open import open_engine
from munsit_denoise.treatment import Treatment
started = time.perf_counter()
open_engine("cpu", 1)
print(time.perf_counter() - started)
"""

ENHANCER = """
import sys, time, numpy, soundfile
from munsit_denoise.engine.open import open_engine
from munsit_denoise.treatment import Treatment
make = open_engine("cpu", int(sys.argv[2]), sys.argv[3])
x, rate = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
def run(seconds):
    denoiser = make(rate, x.shape[1], Treatment())
    for start in range(0, seconds * rate, rate):
        denoiser.feed(x[start : start + rate])
    denoiser.flush()
run(20)
started = time.perf_counter()
run(len(x) // rate)
print(len(x) / rate / (time.perf_counter() - started))
"""

WIDE = ((48_000, 2), (192_000, 2), (48_000, 6), (48_000, 8), (192_000, 8), (24_000, 64))  # the last two: the largest
WIDE_S = 20
WIDE_PROGRAM = """
import re, sys, numpy
from pathlib import Path
from munsit_denoise.engine.open import open_engine
from munsit_denoise.treatment import Treatment
rate, channels, seconds = map(int, sys.argv[1:])
denoiser = open_engine("cpu", 0)(rate, channels, Treatment())
block = numpy.random.default_rng(0).normal(0, 0.05, (rate, channels)).astype(numpy.float32)
for _ in range(seconds):
    denoiser.feed(block)
denoiser.flush()
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def main() -> None:
    """Print the speed table and the memory table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with DeepFilterNet3")
    parser.add_argument("--precision", default="auto", help="of the model's products: auto, float32 or bfloat16")
    parser.add_argument("--loaded", action="store_true", help="measure speed with a busy loop on each core")
    parser.add_argument("--no-memory", action="store_true", help="skip the memory table, which takes minutes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        noisy = arguments.shared / "audio" / "dev" / "noisy"
        speech = write_speech(noisy, Path(folder) / "speech.wav", SPEECH_S)
        longer = write_speech(noisy, Path(folder) / "longer.wav", LONG_S)
        with busy_cores() if arguments.loaded else nullcontext():
            speed_table(arguments, speech, longer)
        print(f"loading the model: {median(loading_s() for _ in range(REPEATS)):.2f} s")
        if not arguments.no_memory:
            memory_table(speech, Path(folder))
            print(f"\npeak resident memory of the enhancer alone, {WIDE_S} s of noise")
            for rate_hz, channels in WIDE:
                print(f"{channels:3} channels at {rate_hz:6} Hz{wide_mib(rate_hz, channels):8} MiB")


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep all cores busy with other work during the block."""
    cores = range(os.cpu_count() or 1)
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in cores]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def wide_mib(rate_hz: int, channels: int) -> int:
    """Return the peak memory of a process that denoises this rate and number of channels, in MiB."""
    command = [sys.executable, "-c", WIDE_PROGRAM, str(rate_hz), str(channels), str(WIDE_S)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def speed_table(arguments: argparse.Namespace, speech: Path, longer: Path) -> None:
    """Print medians over rounds with all rows, because the machine's speed changes within minutes."""
    peer = "DeepFilterNet3, native, 1 thread"
    measures: dict[str, Callable[[], float]] = {peer: partial(peer_speed, arguments, speech)}
    with ExitStack() as stack:
        for threads in (1, 2):
            with on_cores(threads):  # decoder and encoder too: a thread never uses more than a core
                server = stack.enter_context(serving(threads=threads, precision=arguments.precision))
            client = stack.enter_context(server.client())
            denoise(client, speech)  # the first job of a server is slower
            ending = f", {threads} thread(s)"
            measures["ours, enhancer" + ending] = partial(enhancer_speed, speech, threads, arguments.precision)
            measures["ours, whole job, upload to download" + ending] = partial(job_speed, client, speech, SPEECH_S)
            measures[f"ours, the same for {LONG_S} s" + ending] = partial(job_speed, client, longer, LONG_S)
        rounds = [{name: measure() for name, measure in measures.items()} for _ in range(REPEATS)]
    print(f"\n{SPEECH_S} s of 48 kHz mono speech, {arguments.precision}, medians of {REPEATS} rounds")
    print("seconds of audio a second of wall time")
    for name in measures:
        line = f"{name:50}{median(row[name] for row in rounds):8.1f}"
        if name != peer:
            line += f"{median(row[name] / row[peer] for row in rounds):8.1f} x DeepFilterNet3"
        if (single := name.replace("2 thread", "1 thread")) != name:
            line += f"{median(row[name] / row[single] for row in rounds):8.2f} x one thread"
        print(line)


def write_speech(source: Path, target: Path, seconds: int) -> Path:
    """Write noisy recordings one after the other, at 48 kHz."""
    pieces, total = [], 0
    for path in sorted(source.glob("*48k*")) + sorted(source.glob("*16k*")):
        samples, rate_hz = soundfile.read(path, dtype="float32")
        pieces.append(np.repeat(samples, RATE_HZ // rate_hz))
        total += len(pieces[-1])
    whole = np.tile(np.concatenate(pieces), -(-seconds * RATE_HZ // total))[: seconds * RATE_HZ]
    soundfile.write(target, whole, RATE_HZ, subtype="PCM_16")
    return target


def peer_speed(arguments: argparse.Namespace, speech: Path) -> float:
    """Return DeepFilterNet3's speed with its own runner, without reading files and loading the model."""
    script = arguments.shared / "bench" / "run_peer.py"
    command = [arguments.peers, script, "--json", "--threads", "1", "dfn3", speech, speech.with_name("peer.wav")]
    with on_cores(1):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["x_real_time"])


def enhancer_speed(speech: Path, threads: int, precision: str) -> float:
    """Return the speed of the enhancer alone, in its own process."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", ENHANCER, str(speech), str(threads), precision]
    with on_cores(threads):
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def loading_s() -> float:
    """Return how long a process with PyTorch takes to load the model, in seconds."""
    return float(subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True, text=True).stdout)


def job_speed(client: httpx2.Client, speech: Path, seconds: int) -> float:
    """Return the speed of a job as a client sees it: upload, events, download."""
    started = time.perf_counter()
    denoise(client, speech)
    return seconds / (time.perf_counter() - started)


def memory_table(speech: Path, folder: Path) -> None:
    """Print the server's peak memory after a short, a long and a very long file, each with a new server."""
    print("\npeak resident memory of the server process")
    with serving() as server:
        print(f"{'idle':10}{resident_mib(server.pid):8.0f} MiB")
    samples, _ = soundfile.read(speech, dtype="int16")
    first = 0.0
    for name, seconds in MEMORY_S.items():
        path = folder / "long.wav"
        with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
            for start in range(0, seconds, SPEECH_S):
                file.write(samples[: min(SPEECH_S, seconds - start) * RATE_HZ])
        with serving() as server, server.client() as client:
            started = time.perf_counter()
            size = submit_and_measure(client, path)
            took_s = time.perf_counter() - started
            peak = peak_mib(server.pid)
        first = first or peak
        assert size == seconds * RATE_HZ, "the result is not as long as its source"
        print(f"{name:10}{peak:8.0f} MiB{peak - first:+8.0f} MiB{seconds / took_s:10.1f} x real time")


def submit_and_measure(client: httpx2.Client, path: Path) -> int:
    """Run a job and return the frames of its result."""
    result = path.with_name("result.wav")
    result.write_bytes(denoise(client, path))
    return int(soundfile.info(result).frames)


if __name__ == "__main__":
    main()

"""`make bench-api`: thousands of listeners, pages of a long history, uploads; each next to a bare Starlette route."""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.clients import clients, probe
from benchmarks.cost import bench_access_log, bench_cost
from benchmarks.harness import denoise, serving
from benchmarks.jobs import bench_jobs
from benchmarks.limits import bench_limits
from benchmarks.metering import bench_report
from benchmarks.pages import bench_history, bench_uploads
from benchmarks.report import late, line
from benchmarks.speed import write_speech
from benchmarks.streams import bench_bare_fan_out, bench_fan_out, bench_memory, bench_replays
from benchmarks.submissions import bench_submissions

JOB_S = 120
MANY_JOB_S = 400  # so long that 5,000 listeners are there before the first of 20 jobs ends
SHORT_S = 2
LONG_S = 3000


def main() -> None:
    """Run all parts, or those named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("parts", nargs="*", help="names of parts; none: all of them")
    parser.add_argument("--job-s", type=int, default=JOB_S, help="length of the recordings that are listened to")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        every = parts(Path(folder), arguments)
        for name in arguments.parts or every:
            every[name]()


def parts(folder: Path, arguments: argparse.Namespace) -> dict[str, Callable[[], None]]:
    """Return the parts by name."""
    noisy = arguments.shared / "audio" / "dev" / "noisy"
    speech = write_speech(noisy, folder / "speech.wav", arguments.job_s)
    short, long = write_speech(noisy, folder / "short.wav", SHORT_S), _silence(folder / "long.flac")

    def many() -> None:
        bench_bare_fan_out(5000)
        bench_fan_out(write_speech(noisy, folder / "many.wav", MANY_JOB_S), 5000, 20)

    def one() -> None:
        bench_bare_fan_out(1000)
        bench_fan_out(speech, 1000, 1)

    return {
        "cost": lambda: bench_cost(folder, short, long),
        "log": bench_access_log,
        "jobs": lambda: bench_jobs(short),
        "memory": lambda: bench_memory(long),
        "many": many,
        "one": one,
        "silent": lambda: bench_fan_out(speech, 1000, 1, silent_ones=100),
        "replays": lambda: bench_replays(short),
        "history": lambda: bench_history(100_000, whole=False),
        "list": lambda: bench_history(1_000_000, whole=True),
        "uploads": lambda: bench_uploads(folder),
        "submissions": lambda: bench_submissions(folder, long),
        "lag": lambda: bench_lag(speech),
        "report": lambda: bench_report(speech),
        "limits": lambda: bench_limits(short, long),
    }


def bench_lag(speech: Path) -> None:
    """Measure how long the event loop takes to answer while a job runs."""
    with serving(threads=1) as server, clients(1) as pool, server.client() as client:
        denoise(client, speech)
        for name in ("idle", "while a job runs"):
            probing = pool.submit(probe, server.address, ("/healthz", {}), 5.0, 0.01)
            while name != "idle" and not probing.done():
                denoise(client, speech)
            took = probing.result()
            line(
                f"/healthz, {name}",
                late(took),
            )


def _silence(path: Path) -> Path:
    """Write a recording that takes minutes to process and little space to store."""
    source = f"anullsrc=r=16000:cl=mono:d={LONG_S}"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-y", str(path)], check=True)
    return path


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

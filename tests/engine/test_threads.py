"""Whoever asks for windows, the same few threads work on them."""

import subprocess
import sys

import pytest

ASKING = """
import os, sys, threading, time
import numpy
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[3])])
from munsit_denoise.engine.open import open_engine
from munsit_denoise.treatment import Treatment
make = open_engine("cpu", 2, concurrency=int(sys.argv[1]))
sound = numpy.full((3 * 8_000, 1), 0.1, numpy.float32)
asked, may_end = threading.Barrier(4), threading.Event()
def ask():
    denoiser = make(8_000, 1, Treatment())
    denoiser.feed(sound)
    assert len(denoiser.flush()) == len(sound)
    asked.wait()
    may_end.wait()
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
asking = [threading.Thread(target=ask) for _ in range(3)]
for thread in asking:
    thread.start()
asked.wait()
end, found = time.monotonic() + 5, []
while time.monotonic() < end and (not found or found[-1] > int(sys.argv[2])):  # a timer that was put off goes at once
    time.sleep(0.02)
    found.append(threads() - before - len(asking))
print(found[-1])
may_end.set()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
@pytest.mark.parametrize(("concurrency", "most", "cores"), [(1, 1, 64), (2, 3, 64), (3, 1, 1)])
def test_denoisers_in_many_threads_share_the_engines_own(concurrency: int, most: int, cores: int) -> None:
    """At most `most` more threads, on this many cores, which bound the windows at a time."""
    command = [sys.executable, "-c", ASKING, str(concurrency), str(most), str(cores)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert int(done.stdout) <= most

"""Freed memory stays with the process, in threads too."""

import platform
import subprocess
import sys

import pytest

from munsit_denoise.engine.allocator import _clean_pages

FAULTS = """
import resource, sys, threading
if sys.argv[1] == "engine":
    from munsit_denoise.engine.open import open_engine
    open_engine("cpu", 1)
def work():
    for _ in range(2):
        block = b"x" * (40 << 20)
    del block
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(10):
        block = b"x" * (40 << 20)
    print(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_process_with_an_engine_uses_freed_memory_again_without_page_faults() -> None:
    kept, usual = (
        int(subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, check=True, text=True).stdout)
        for mode in ("engine", "plain")
    )
    assert usual > 10_000
    assert kept < usual / 10  # the kernel may take pages that rest, so that some are met again


RESTING = """
import re, threading
from pathlib import Path
from munsit_denoise.engine import allocator
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
allocator.keep_freed_memory()
blocks = [b"x" * (1 << 20) for _ in range(200)]
del blocks
before, told = resident(), threading.Event()
give_back = allocator.give_memory_back
allocator.give_memory_back = lambda: (give_back(), told.set())
rest = allocator.Rest(0.05)
rest.put_off()
rest.put_off()
told.wait()
print(before, resident())
import sqlite3, json, decimal
print(decimal.Decimal(json.loads("[2]")[0]).sqrt(), sqlite3.connect(":memory:").execute("SELECT 1").fetchone())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_an_idle_process_gives_memory_back_and_goes_on() -> None:
    done = subprocess.run([sys.executable, "-c", RESTING], capture_output=True, check=True, text=True)
    sizes, after = done.stdout.splitlines()
    before, idle = map(int, sizes.split())
    assert before > 200
    assert idle < before - 190
    assert after.startswith("1.41421")


def test_only_pages_that_are_as_in_their_files_are_given_back() -> None:
    mappings = "\n".join(
        f"{start:x}-{start + 4096:x} {rights} 00000000 08:01 77   {name}\nAnonymous:    {anonymous} kB\nVmFlags: rd mr"
        for start, rights, name, anonymous in [
            (0x10000, "r-xp", "/lib/a.so", "       0"),
            (0x20000, "r--p", "/lib/a.so", "       4"),
            (0x30000, "rw-p", "/lib/a.so", "       0"),
            (0x40000, "r--p", "/lib/with space.so", "       0"),
            (0x50000, "r-xp", "[vdso]", "       0"),
            (0x60000, "r--s", "/tmp/shared", "       0"),
        ]
    )
    assert list(_clean_pages(mappings)) == [(0x10000, 0x11000), (0x40000, 0x41000)]

"""Freed memory stays with the process, in threads too."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, threading
if sys.argv[1] == "engine":
    from munsit_denoise.engine.open import open_engine
    open_engine("cpu", 1)
def work():
    for _ in range(2):
        block = b"x" * (40 << 20)
    del block
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        block = b"x" * (40 << 20)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
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
    assert kept < 100
    assert usual > 10_000

"""Tests of what the tests know of running processes."""

import subprocess
import sys

import pytest

from tests.live import children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are found on Linux alone")

RESTLESS = """
import subprocess, sys, threading
program = subprocess.Popen(["sleep", "60"])
print(program.pid, flush=True)
while True:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
"""


def test_children_are_found_while_threads_start_and_end() -> None:
    with subprocess.Popen([sys.executable, "-c", RESTLESS], stdout=subprocess.PIPE, text=True) as restless:
        assert restless.stdout is not None
        program = int(restless.stdout.readline())
        try:
            assert all(children(restless.pid) == [program] for _ in range(2000))
        finally:
            restless.kill()
            subprocess.run(["kill", "-9", str(program)], check=True)
    assert children(restless.pid) == []

"""A forked program is a process like another: its exit codes, its signals, its environment, its files."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from munsit_denoise import __version__
from tests import prepared
from tests.faults import until
from tests.prepared import Program, run, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux alone")


def test_it_runs_what_the_program_runs() -> None:
    assert run("--version", environment=os.environ).stdout == f"{__version__}\n"
    wrong = run("keys", "list", environment=os.environ | {"DENOISE_PORT": "many"})
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "DENOISE_PORT" in wrong.stderr


def test_it_has_a_session_an_environment_and_files_of_its_own_and_ends_by_a_signal(tmp_path: Path) -> None:
    environment = os.environ | {"DENOISE_DATA_DIR": str(tmp_path / "data"), "DENOISE_PORT": "0"}
    with (tmp_path / "told").open("wb") as told:
        program = start([prepared.OURS, "serve"], environment, told)
    assert isinstance(program, Program)
    until(lambda: "munsit-denoise on" in (tmp_path / "told").read_text())
    assert os.getsid(program.pid) == os.getpgid(program.pid) == program.pid != os.getsid(0)
    assert program.poll() is None
    os.killpg(program.pid, signal.SIGKILL)
    assert program.wait(10) == -signal.SIGKILL
    program.send_signal(signal.SIGKILL)  # to nobody


@pytest.mark.parametrize("name", ["PYTHONPATH", "OMP_NUM_THREADS", "LD_PRELOAD", "PATH"])
def test_what_is_read_when_a_process_begins_is_not_told_to_a_fork(name: str) -> None:
    assert prepared._can_be_forked(dict(os.environ))
    assert not prepared._can_be_forked(os.environ | {name: "other"})


def test_many_threads_may_ask_for_one_exit_code(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        program = start([prepared.OURS, "--version"], os.environ, log)
    parent = prepared._parent()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(wait_for, parent, program.pid) for _ in range(4)]
        assert {future.result(30) for future in asked} == {0}


def wait_for(parent: prepared._Parent, pid: int) -> int:
    while (code := parent.ask({"pid": pid})) is None:
        time.sleep(0.01)
    return int(code)

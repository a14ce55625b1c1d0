"""Programs of ours, forked from a process that has loaded all they need: a start costs half a second of a core.

Loading the packages and PyTorch takes five, and there are a hundred starts. So one process for all pytest workers
loads them once, computes nothing, and forks: once for each worker, and there for each program. A test gets a process
like any other: a session, a folder, files and an environment of its own, signals and an exit code. It runs what
`python -m MODULE` runs.

What Python, OpenMP and the C library read when they begin cannot be told to a fork. So a program whose environment
differs in anything but `LATE` is started as usual, and so is one of a test of the start itself, which says `afresh`.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.shared import ADDRESS, Keeper, address_of

OURS = "munsit_denoise"
# Variables that are read when they are needed:
LATE = ("DENOISE_", "AWS_", "PYTEST_", "HYPOTHESIS_", "TEST_", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_")
SAME = ("GOMP_SPINCOUNT", "TORCHINDUCTOR_CACHE_DIR")  # that a process of ours, or its PyTorch, sets itself
LAZY = ("anyio._backends._asyncio", "aiosqlite", "uvloop", "uvicorn.lifespan.on")  # what others import late
AT_FIRST = dict(os.environ)  # before any test changes it
CLIENT = Path(__file__).parents[1] / "clients/python"  # a part of the installed package
MESSAGE_BYTES = 2**17
PROGRAMS = "programs"  # the name of the process that forks them among the services of a run


class Program:
    """A forked program, with what tests use of `subprocess.Popen`."""

    def __init__(self, command: list[str], environment: Mapping[str, str], files: Sequence[int]) -> None:
        order = {"command": command, "environment": dict(environment), "folder": str(Path.cwd())}
        self.args, self.pid = command, _parent().ask(order, files)
        self._handle = os.pidfd_open(self.pid)  # of this process, whoever has its number later
        weakref.finalize(self, os.close, self._handle)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative after a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = _parent().ask({"pid": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises TimeoutExpired."""
        ended, _, _ = select.select([self._handle], [], [], timeout)
        code = self.poll() if ended else None
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


Started = Program | subprocess.Popen[bytes]


def start(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes] | None = None,
    *,
    afresh: bool = False,
) -> Started:
    """Start `python -m` with a module of ours and arguments; its errors go where its output goes, unless told."""
    words = [str(word) for word in command]
    with Path(os.devnull).open("rb") as nothing:
        files = [nothing, output, errors or output]
        if _can_be_forked(environment) and not afresh:
            return Program(words, environment, [file.fileno() for file in files])
        stdin, stdout, stderr = files
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            env=environment, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True,
        )  # fmt: skip


def run(
    *arguments: str | Path, environment: Mapping[str, str], timeout_s: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end, as `munsit-denoise` does."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        program = start([OURS, *arguments], environment, output, errors)
        try:
            code = program.wait(timeout_s)
        finally:
            program.kill()
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(program.args, code, output.read().decode(), errors.read().decode())


def _can_be_forked(environment: Mapping[str, str]) -> bool:
    differing = {name for name, _ in environment.items() ^ AT_FIRST.items()}
    return sys.platform == "linux" and all(name.startswith(LATE) for name in differing - {*SAME})


@contextmanager
def parent() -> Iterator[str]:
    """Run the process that has all loaded; yield its address. It ends when this one does."""
    with tempfile.TemporaryDirectory(prefix="denoise-programs-") as folder:
        address = str(Path(folder) / "ask")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(address)
            listener.listen()
            command, theirs = [sys.executable, "-m", __name__, str(listener.fileno())], [listener.fileno()]
            process = subprocess.Popen(
                command, env=AT_FIRST, stdin=subprocess.PIPE, pass_fds=theirs, start_new_session=True
            )
        with process:
            yield address
            process.kill()


class _Parent:
    """A connection to the process that has all loaded."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect(address)
        self._lock = threading.Lock()

    def ask(self, question: dict[str, Any], files: Sequence[int] = ()) -> Any:
        """Return the answer to an order, which is a process id, or to a process id, which is an exit code or None."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(question).encode()], files)
            answer = self._socket.recv(MESSAGE_BYTES)
        assert answer, "the process that forks programs has ended"
        return json.loads(answer)


@cache
def _parent() -> _Parent:
    if ADDRESS not in os.environ:  # no pytest runs
        keeper = Keeper({PROGRAMS: parent})
        atexit.register(keeper.close)
        os.environ[ADDRESS] = keeper.address
    return _Parent(address_of(PROGRAMS))


def _load() -> None:
    """Import each of our modules, and what they import late."""
    from munsit_denoise.engine.threads import wait_briefly

    wait_briefly()  # as a start does, before PyTorch is there
    sys.path.insert(1, str(CLIENT))
    package = importlib.import_module(OURS)
    for found in pkgutil.walk_packages(package.__path__, f"{OURS}."):
        if not found.name.endswith(".__main__"):
            importlib.import_module(found.name)
    for name in LAZY:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # or the first collection of each fork would copy every page


def _serve_each(listener: socket.socket) -> list[str]:
    """Fork for each worker that asks, until this process's own parent has ended; return what `_serve` does."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody wants their exit codes
    while True:
        ready, _, _ = select.select([sys.stdin, listener], [], [])
        if sys.stdin in ready:
            sys.exit()
        asked, _ = listener.accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _serve(asked)
        asked.close()


def _serve(asked: socket.socket) -> list[str]:
    """Fork for each order, and tell exit codes; return the command, in the process that is to run it."""
    codes: dict[int, int] = {}
    while True:
        message, files, *_ = socket.recv_fds(asked, MESSAGE_BYTES, 3)
        if not message:
            sys.exit()
        order = json.loads(message)
        if "pid" in order:
            answer = _exit_code(order["pid"], codes)
        else:
            is_ready, ready = os.pipe()
            answer = os.fork()
            if not answer:
                return _become(order, files)
            codes.pop(answer, None)  # of a process before, which had this id
            for descriptor in (ready, *files):
                os.close(descriptor)
            os.read(is_ready, 1)  # nothing: it is closed
            os.close(is_ready)
        asked.send(json.dumps(answer).encode())


def _exit_code(pid: int, codes: dict[int, int]) -> int | None:
    """Return the exit code of a process, however often it is asked for; None while it runs."""
    if pid not in codes:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            codes[pid] = os.waitstatus_to_exitcode(status)
    return codes.get(pid)


def _become(order: dict[str, Any], files: list[int]) -> list[str]:
    os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for wanted, descriptor in enumerate(files):
        os.dup2(descriptor, wanted)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    command: list[str] = order["command"]
    return command


if __name__ == "__main__":
    _load()
    sys.argv = _serve_each(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

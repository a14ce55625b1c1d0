"""A server for benchmarks, with its own data."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ANSWERS_WITHIN_S = 180


@dataclass
class Served:
    """A running server, a key for it, and its process."""

    url: str
    key: str
    pid: int
    data_dir: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    @property
    def headers(self) -> dict[str, str]:
        """The headers with the key."""
        return {"x-api-key": self.key} if self.key else {}

    def client(self) -> httpx2.Client:
        """Return a client with the key."""
        return httpx2.Client(base_url=self.url + "/api/v1", headers={"x-api-key": self.key}, timeout=600)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Start the block's processes, and the programs that they start, on this many cores; Linux only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def serving(program: Sequence[str] = ("munsit_denoise",), /, **settings: Any) -> Iterator[Served]:
    """Run `serve` of the command, or of a module with arguments, with these settings during the block.

    A server of a cluster creates no key itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        unlimited = {"max_duration_minutes": 0, "max_upload_mb": 0, "max_streams_per_key": 0}
        values = {"data_dir": f"{folder}/data", "port": port} | unlimited | settings
        environment = os.environ | {f"DENOISE_{name.upper()}": str(value) for name, value in values.items()}
        log = Path(folder, "log")
        with log.open("wb") as file:
            command = [sys.executable, "-m", *program, "serve"]
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(url, process)
            found = re.search(r"mds_\w+", log.read_text())
            assert found or "database_url" in settings, log.read_text()
            yield Served(url, found[0] if found else "", process.pid, Path(folder, "data"))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextmanager
def serving_bare(body: bytes = b"[]") -> Iterator[Served]:
    """Run `benchmarks.bare` during the block; its page is this body."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        Path(folder, "body").write_bytes(body)
        command = [sys.executable, "-m", "benchmarks.bare", str(port), f"{folder}/body", folder]
        process = subprocess.Popen(command)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(url, process, "/page")
            yield Served(url, "", process.pid, Path(folder))
        finally:
            process.terminate()
            process.wait()


def _wait_ready(url: str, process: subprocess.Popen[bytes], path: str = "/readyz") -> None:
    end = time.monotonic() + ANSWERS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx2.get(url + path).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the server did not become ready")


def denoise(client: httpx2.Client, path: Path) -> bytes:
    """Upload a file, follow the job and return the result."""
    with path.open("rb") as file:
        answer = client.post("/denoise", files={"audio": (path.name, file)})
    answer.raise_for_status()
    with client.stream("GET", f"/denoise/{answer.json()['denoiseId']}/progress") as stream:
        last = [line for line in stream.iter_lines() if line.startswith("data: ")][-1]
    found = re.search(r'"url":"([^"]+)"', last)
    assert found, last
    return httpx2.get(found[1]).content


def peak_mib(pid: int) -> float:
    """Return the peak resident set of a process, since its start or `forget_peak`, in MiB."""
    return _status_mib(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Reset the peak resident set, because a server reads the model's weights at its start."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def resident_mib(pid: int) -> float:
    """Return the resident set of a process now, in MiB."""
    return _status_mib(pid, "VmRSS")


def _status_mib(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024

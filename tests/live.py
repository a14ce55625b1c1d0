"""Servers on real sockets: in a thread of this process, or as a process that can be killed."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import httpx2

from munsit_denoise import work
from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.server import create_server
from munsit_denoise.settings import Settings
from tests.databases import migrate
from tests.prepared import OURS, Started, start

READY_TIMEOUT_S = 60


@dataclass
class Live:
    """A running server and a key for it."""

    url: str
    key: str
    settings: Settings
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"x-api-key": self.key}
        self.client = httpx2.Client(base_url=self.url + "/api/v1", headers=headers, timeout=60)

    def new_key(self, user: str) -> str:
        """Return a key for a user."""
        return create_key(self.settings, user)

    def client_for(self, user: str) -> httpx2.Client:
        """Return a client of another user."""
        return httpx2.Client(base_url=self.url + "/api/v1", headers={"x-api-key": self.new_key(user)}, timeout=60)

    def upload(self, path: Path, name: str | None = None, client: httpx2.Client | None = None) -> str:
        """Upload a file that must be accepted; return its id."""
        with path.open("rb") as file:
            answer = (client or self.client).post("/denoise", files={"audio": (name or path.name, file)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["denoiseId"])

    def events(self, job_id: str, client: httpx2.Client | None = None) -> list[dict[str, Any]]:
        """Follow a job to its end."""
        return list(self.follow(job_id, client))

    def follow(self, job_id: str, client: httpx2.Client | None = None) -> Iterator[dict[str, Any]]:
        """Yield a job's events as they come."""
        with (client or self.client).stream("GET", f"/denoise/{job_id}/progress") as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def result(self, job_id: str, client: httpx2.Client | None = None) -> tuple[str, httpx2.Response]:
        """Follow a job that must end well; return the URL of what came of it, and that."""
        last = self.events(job_id, client)[-1]
        assert last["stage"] == "done", last
        return last["url"], httpx2.get(last["url"])

    def record(self, job_id: str) -> dict[str, Any]:
        """Return a job's record from the list."""
        found: list[dict[str, Any]] = [r for r in self.client.get("/denoise").json() if r["id"] == job_id]
        return found[0]

    def files(self) -> list[Path]:
        """Return every file that the server keeps."""
        return [path for path in self.settings.storage_root.rglob("*") if path.is_file()]


def make_settings(folder: Path, **overrides: Any) -> Settings:
    """Return settings for a server that lives in a folder."""
    return Settings(_env_file=None, data_dir=folder, **({"disk_reserve_mb": 0, "threads": 1} | overrides))


def create_key(settings: Settings, user: str) -> str:
    """Return a new key straight from the database."""

    async def create() -> str:
        database = open_database(settings.database)
        try:
            return await Keys(database).create(user)
        finally:
            await database.close()

    return anyio.run(create)


@contextmanager
def run_live(folder: Path, ready_path: str = "/readyz", **overrides: Any) -> Iterator[Live]:
    """Run a server in a thread until the block ends."""
    settings = make_settings(folder, **overrides)
    migrate(settings.database)
    listener = socket.create_server(("127.0.0.1", 0))
    server = create_server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    live = Live(f"http://127.0.0.1:{listener.getsockname()[1]}", create_key(settings, "tester"), settings)
    try:
        wait_ready(live.url, ready_path)
        yield live
    finally:
        live.client.close()
        failure, server.should_exit = server.failure, True
        thread.join(timeout=30)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"
        assert failure is None, f"the server stopped by itself: {failure!r}"


@contextmanager
def run_waiting(folder: Path, **overrides: Any) -> Iterator[Live]:
    """Run a server to which no model comes: jobs wait for as long as the block lasts, and cost nothing."""

    async def load_engine(_: Settings) -> Any:
        await anyio.sleep_forever()

    with mock.patch.object(work, "load_engine", load_engine), run_live(folder, "/healthz", **overrides) as live:
        yield live


def wait_ready(url: str, path: str = "/readyz", process: Started | None = None) -> None:
    """Wait until a server answers 200. Raises CalledProcessError when its process ends instead."""
    end = time.monotonic() + READY_TIMEOUT_S
    with httpx2.Client(verify=False) as client:  # reading certificates for every question would slow the start
        while time.monotonic() < end:
            with suppress(httpx2.TransportError):
                if client.get(url + path).status_code == 200:
                    return
            if process is not None and process.poll() is not None:
                raise subprocess.CalledProcessError(process.returncode, process.args)
            time.sleep(0.02)
    raise TimeoutError(f"{url} did not become ready")


class ServerProcess:
    """`munsit-denoise serve` as its own process group, to be signalled and started again on the same data."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.settings = make_settings(folder)
        self._log = (folder.parent / f"{folder.name}.log").open("ab")
        port = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{port.getsockname()[1]}"
        settings = {
            "DATA_DIR": str(folder),
            "PORT": self.url.rpartition(":")[2],
            "THREADS": "1",
            "DISK_RESERVE_MB": "0",
        }
        port.close()
        self.environment = os.environ | {f"DENOISE_{k}": v for k, v in (settings | environment).items()}
        self.afresh = False  # whether a start loads everything anew, as on a machine that runs nothing else
        self.module = OURS
        self._process: Started | None = None

    def start(self, path: str = "/healthz") -> None:
        """Start and wait until it answers."""
        self._process = start([self.module, "serve"], self.environment, self._log, afresh=self.afresh)
        wait_ready(self.url, path, self._process)

    def page_faults(self) -> int:
        """Return how often the server itself met a page that it did not have, since it began; Linux alone."""
        assert self._process is not None
        return int(Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[7])

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the server and every program that it runs, as a service manager does."""
        for child in children(self.pid):
            with suppress(ProcessLookupError):
                os.kill(child, number)
        self.signal(number)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGKILL to the whole group, anything else to the server alone."""
        assert self._process is not None
        if number is signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    def told(self) -> str:
        """Return all that it has printed."""
        return Path(self._log.name).read_text()

    @property
    def has_ended(self) -> bool:
        """Whether its process runs no more."""
        return self._process is None or self._process.poll() is not None

    def wait(self, timeout_s: float = 30) -> int:
        """Return the exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self.wait()

    def close(self) -> None:
        """Kill and clean up."""
        self.kill()
        self._log.close()


def children(pid: int) -> list[int]:
    """Return every process below one, without those that end meanwhile; Linux alone."""
    direct: list[int] = []
    with suppress(OSError):  # the process has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # the thread has ended since the folder was listed
                direct.extend(map(int, (task / "children").read_text().split()))
    return direct + [below for child in direct for below in children(child)]

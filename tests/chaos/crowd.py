"""Fifty clients who do everything at random for a while."""

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import websocket

from tests.chaos.books import Books, leftovers
from tests.chaos.kills import recordings, serving
from tests.live import Live

TRANSPORT = (httpx.TransportError, OSError, websocket.WebSocketException)


class Visitor:
    """One client, with a user of its own one time in three."""

    def __init__(self, live: Live, books: Books, paths: list[Path], seed: int) -> None:
        self._rng, self._books, self._paths = random.Random(seed), books, paths
        self._url, self._key = live.url, live.key if seed % 3 else live.new_key(f"visitor {seed}")
        self._http = httpx.Client(base_url=live.url, headers={"x-api-key": self._key}, timeout=120)
        self._shared = seed % 3 != 0

    def act(self) -> None:
        """Do one thing."""
        acts: list[Callable[[], None]] = [
            self.upload, self.upload, self.upload_for_later, self.watch, self.watch_socket, self.leave_early,
            self.list, self.download, self.delete, self.send_nonsense, self.ask_nonsense, self.break_off,
        ]  # fmt: skip
        with suppress(*TRANSPORT):
            self._rng.choice(acts)()

    def _mine(self) -> str:
        ids = list(self._books.accepted)
        return self._rng.choice(ids) if ids else "00000000-0000-0000-0000-000000000000"

    def _get(self, path: str, **options: object) -> httpx.Response:
        return self._books.judge(f"GET {path}", self._http.get(path, **options))  # type: ignore[arg-type]

    def _accept(self, answer: httpx.Response, path: Path) -> None:
        self._books.judge("submit", answer)
        if answer.status_code == 200 and self._shared:
            self._books.accept(answer.json()["jobId"], path)

    def upload(self) -> None:
        """Post a recording."""
        path = self._rng.choice(self._paths)
        self._accept(self._http.post("/api/v1/denoise", files={"audio": (path.name, path.read_bytes())}), path)

    def upload_for_later(self) -> None:
        """Upload a file, then make a job of it, as Audo's clients do."""
        path = self._rng.choice(self._paths)
        answer = self._books.judge(
            "upload", self._http.post("/v1/upload", files={"file": ("a.wav", path.read_bytes())})
        )
        if answer.status_code == 200:
            body = {"input": answer.json()["fileId"], "outputExtension": "wav"}
            self._accept(self._http.post("/v1/remove-noise", content=json.dumps(body)), path)

    def watch(self) -> None:
        """Follow a job to its end."""
        with self._http.stream("GET", f"/api/v1/denoise/{self._mine()}/progress") as answer:
            answer.read()
            self._books.judge("progress", answer)

    def watch_socket(self) -> None:
        """Follow a job on a socket, for a second at most."""
        url = f"{self._url.replace('http', 'ws', 1)}/v1/wss/remove-noise/{self._mine()}/status"
        socket = websocket.create_connection(url, header={"x-api-key": self._key}, timeout=1)
        try:
            while socket.recv():
                pass
        finally:
            socket.close()

    def leave_early(self) -> None:
        """Begin to follow a job and leave."""
        with self._http.stream("GET", f"/api/v1/denoise/{self._mine()}/progress") as answer:
            next(answer.iter_raw(), b"")

    def list(self) -> None:
        """Look at the history."""
        self._get(self._rng.choice(["/api/v1/denoise?limit=20", "/api/v1/denoise", "/api/v1/denoise?offset=3&limit=5"]))

    def download(self) -> None:
        """Fetch a part of a result."""
        page = self._get("/api/v1/denoise?limit=20").json()
        urls = [record["audio_url"] or record["original_audio_url"] for record in page]
        if urls:
            self._get(self._rng.choice(urls), headers={"range": f"bytes={self._rng.randrange(1000)}-"})

    def delete(self) -> None:
        """Delete a job's files, seldom."""
        if self._rng.random() < 0.1:
            job_id = self._mine()
            self._books.deleted.add(job_id)
            self._books.judge("delete", self._http.post(f"/v1/remove-noise/{job_id}/delete-results"))

    def send_nonsense(self) -> None:
        """Post what is no media."""
        self._books.judge("nonsense", self._http.post("/api/v1/denoise", files={"audio": ("a.mp3", b"nonsense" * 99)}))

    def ask_nonsense(self) -> None:
        """Ask for what is not there, and with a wrong key."""
        self._get("/api/v1/denoise/nonsense/progress")
        self._get("/api/v1/denoise?limit=0")
        self._get("/api/v1/denoise", headers={"x-api-key": "wrong"})
        self._get("/healthz")

    def break_off(self) -> None:
        """Send half an upload and go away."""

        def half() -> "object":
            yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n' + b"RIFF" * 999
            raise OSError("gone")

        headers = {"content-type": "multipart/form-data; boundary=x"}
        self._http.post("/api/v1/denoise", content=half(), headers=headers)  # type: ignore[arg-type]


def crowd(folder: Path, clients: int, seconds: float) -> Books:
    """Let clients do everything at random, then compare the books; nothing may be left open."""
    books, paths = Books(), recordings(folder)
    with serving(folder) as (server, live):
        live.events(live.upload(paths[0]))
        descriptors = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
        visitors = [Visitor(live, books, paths, seed) for seed in range(clients)]
        end = time.monotonic() + seconds

        def visit(visitor: Visitor) -> None:
            while time.monotonic() < end:
                visitor.act()

        threads = [threading.Thread(target=visit, args=(visitor,)) for visitor in visitors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        books.close(live, folder)
        books.faults += leftovers(server, descriptors)
    return books

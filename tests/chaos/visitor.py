"""One of a crowd: a client who does everything that clients may do, and much that they may not."""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import websocket

from tests.chaos.books import Books
from tests.chaos.rude import RUDE, RawConnection
from tests.live import Live

TRANSPORT = (httpx2.TransportError, OSError, websocket.WebSocketException)
TIMEOUT_S = 60
WATCHES_S = 20  # until it has seen enough of a job
NOBODY = "00000000-0000-0000-0000-000000000000"
PRIED = (  # requests for what is another user's
    ("GET", "/api/v1/denoise/{}"),
    ("GET", "/api/v1/denoise/{}/progress"),
    ("GET", "/api/v1/denoise/{}/report"),
    ("GET", "/api/v1/denoise/{}/residual"),
    ("GET", "/api/v1/denoise/{}/tiles"),
    ("POST", "/api/v1/denoise/{}/cancel"),
    ("DELETE", "/api/v1/denoise/{}"),
    ("GET", "/v1/remove-noise/{}/status"),
    ("POST", "/v1/remove-noise/{}/delete-results"),
)
ENDS = (PRIED[5], PRIED[6], PRIED[8])
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class User:
    """A way to the server, and what was promised to the clients that share it."""

    live: Live
    books: Books = field(default_factory=Books)


class Visitor:
    """One client of a user."""

    def __init__(self, user: User, others: list[User], paths: list[Path], seed: int) -> None:
        self._rng, self._books, self._others, self._paths = random.Random(seed), user.books, others, paths
        self._url, self._key = user.live.url, user.live.key
        self._http = httpx2.Client(base_url=self._url, headers={"x-api-key": self._key}, timeout=TIMEOUT_S)
        self._raw = RawConnection(self._url)

    def act(self) -> None:
        """Do one thing."""
        acts: list[Callable[[], None]] = [
            self.upload, self.upload, self.upload_for_later, self.send_in_parts, self.send_url, self.repeat,
            self.watch, self.watch_socket, self.leave_early, self.never_read, self.page, self.look, self.download,
            self.end, self.pry, self.send_nonsense, self.ask_nonsense, self.break_off, self.be_rude,
        ]  # fmt: skip
        with suppress(*TRANSPORT):
            self._rng.choice(acts)()

    def leave(self) -> None:
        """Let go of everything."""
        self._http.close()
        self._raw.close()

    def upload(self) -> None:
        """Post a recording."""
        path = self._rng.choice(self._paths)
        self._accept(self._post(path), path)

    def upload_for_later(self) -> None:
        """Upload a file, then make a job of it, as Audo's clients do."""
        path = self._rng.choice(self._paths)
        files = {"file": ("a.wav", path.read_bytes())}
        answer = self._books.judge("upload", self._http.post("/v1/upload", files=files), 200)
        if answer.status_code == 200:
            body = {"input": answer.json()["fileId"], "outputExtension": "wav"}
            self._accept(self._http.post("/v1/remove-noise", json=body), path)

    def send_in_parts(self) -> None:
        """Upload a file in two parts, then make a job of it; sometimes the second part never comes."""
        path = self._rng.choice(self._paths)
        data = path.read_bytes()
        url, cut = self._begin_upload(len(data)), self._rng.randrange(1, len(data))
        parts = [(0, cut), (cut, len(data))]
        for start, end in parts[: self._rng.choice((1, 2, 2, 2))] if url else ():
            headers = TUS | {"Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
            answer = self._http.patch(url, content=data[start:end], headers=headers)
            if self._books.judge("a part", answer, 204).status_code == 204 and end == len(data):
                body = {"upload_id": url.rpartition("/")[2]}
                self._accept(self._http.post("/api/v1/denoise", json=body), path)

    def _begin_upload(self, size_bytes: int) -> str:
        answer = self._http.post("/api/v1/uploads", headers=TUS | {"Upload-Length": str(size_bytes)})
        self._books.judge("an upload in parts", answer, 201)
        return answer.headers.get("location", "") if answer.status_code == 201 else ""

    def send_url(self) -> None:
        """Make a job of what the server itself has at a URL; it may go meanwhile."""
        record = self._record()
        if record is not None:
            answer = self._http.post("/api/v1/denoise", json={"url": record["original_audio_url"]})
            self._accept(answer, self._paths[0], open_ended=True)

    def repeat(self) -> None:
        """Submit under a key, the same again, and something else under it."""
        path, other = self._rng.sample(self._paths, 2)
        key = {"Idempotency-Key": str(uuid.uuid4())}
        first = self._post(path, key)
        self._accept(first, path)
        if first.status_code == 200:
            again = self._books.judge("the same again", self._post(path, key), 200)
            if again.status_code == 200 and again.content != first.content:
                self._books.faults.append(f"the same again: {again.text} after {first.text}")
            self._books.judge("something else under its key", self._post(other, key), 422)

    def watch(self) -> None:
        """Follow a job, to its end if that comes soon."""
        enough_s = time.monotonic() + WATCHES_S
        with self._http.stream("GET", f"/api/v1/denoise/{self._mine()}/progress") as answer:
            if answer.status_code != 200:
                answer.read()
            self._books.judge("progress", answer, 200, 404)
            for _ in answer.iter_lines():
                if time.monotonic() > enough_s:
                    break

    def watch_socket(self) -> None:
        """Follow a job on a socket, for as long as something is said once a second."""
        url = f"{self._url.replace('http', 'ws', 1)}/v1/wss/remove-noise/{self._mine()}/status"
        with closing(websocket.create_connection(url, header={"x-api-key": self._key}, timeout=1)) as found:
            while found.recv():
                pass

    def leave_early(self) -> None:
        """Begin to follow a job and leave."""
        with self._http.stream("GET", f"/api/v1/denoise/{self._mine()}/progress") as answer:
            next(answer.iter_raw(), b"")

    def never_read(self) -> None:
        """Ask for a job's progress and never read a byte of it."""
        lines = f"GET /api/v1/denoise/{self._mine()}/progress HTTP/1.1\r\nhost: a\r\nx-api-key: {self._key}\r\n\r\n"
        self._raw.begin(lines.encode())

    def be_rude(self) -> None:
        """Open a connection without a key and be of no use on it."""
        self._raw.begin(self._rng.choice(RUDE))
        status = self._raw.status()
        if status >= 500 and status != 503:
            self._books.faults.append(f"a rude client was told {status}")

    def page(self) -> None:
        """Look at the history."""
        query = self._rng.choice(["?limit=20", "", "?offset=3&limit=5", "?status=success&limit=3", "?q=1"])
        self._get(f"/api/v1/denoise{query}", 200)

    def look(self) -> None:
        """Look at what there is of one job."""
        what = self._rng.choice(["", "/report", "/residual", "/tiles"])
        self._get(f"/api/v1/denoise/{self._mine()}{what}", 200, 404, 409, 410)

    def download(self) -> None:
        """Fetch a part of a recording, of the result if there is one."""
        record = self._record()
        if record is not None:
            headers = {"range": f"bytes={self._rng.randrange(1000)}-"}
            self._get(record["audio_url"] or record["original_audio_url"], 206, 404, 410, headers=headers)

    def end(self) -> None:
        """Cancel or delete a job, seldom."""
        if self._rng.random() < 0.3:
            (method, path), job_id = self._rng.choice(ENDS), self._mine()
            self._books.open_ended.add(job_id)
            answer = self._http.request(method, path.format(job_id))
            self._books.judge(f"{method} {path}", answer, 200, 204, 404)

    def pry(self) -> None:
        """Ask for what another user has: it is not there."""
        theirs = list(self._rng.choice(self._others).books.accepted)
        method, path = self._rng.choice(PRIED)
        answer = self._http.request(method, path.format(self._rng.choice(theirs or [NOBODY])))
        self._books.judge(f"{method} {path} of another user", answer, 404)

    def send_nonsense(self) -> None:
        """Post what is no media."""
        answer = self._http.post("/api/v1/denoise", files={"audio": ("a.mp3", b"nonsense" * 99)})
        self._books.judge("nonsense", answer, 400)

    def ask_nonsense(self) -> None:
        """Ask for what is not there, and with a wrong key."""
        self._get("/api/v1/denoise/nonsense/progress", 404)
        self._get("/api/v1/denoise?limit=0", 400)
        self._get("/api/v1/denoise", 401, headers={"x-api-key": "wrong"})
        self._get("/healthz", 200)

    def break_off(self) -> None:
        """Send half an upload and go away."""

        def half() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n' + b"RIFF" * 999
            raise OSError("gone")

        headers = {"content-type": "multipart/form-data; boundary=x"}
        self._http.post("/api/v1/denoise", content=half(), headers=headers)

    def _mine(self) -> str:
        return self._rng.choice([*self._books.accepted] or [NOBODY])

    def _record(self) -> dict[str, str] | None:
        """Return one of the newest records, None where there is none."""
        page = self._get("/api/v1/denoise?limit=20", 200)
        records: list[dict[str, str]] = page.json() if page.status_code == 200 else []
        return self._rng.choice(records) if records else None

    def _get(self, path: str, *expected: int, headers: dict[str, str] | None = None) -> httpx2.Response:
        return self._books.judge(f"GET {path}", self._http.get(path, headers=headers), *expected)

    def _post(self, path: Path, headers: dict[str, str] | None = None) -> httpx2.Response:
        files = {"audio": (path.name, path.read_bytes())}
        return self._http.post("/api/v1/denoise", files=files, headers=headers)

    def _accept(self, answer: httpx2.Response, path: Path, open_ended: bool = False) -> None:
        self._books.judge("submit", answer, *((200, 400) if open_ended else (200,)))
        if answer.status_code == 200:
            job_id = answer.json()["jobId"]
            if open_ended:
                self._books.open_ended.add(job_id)
            self._books.accept(job_id, path)

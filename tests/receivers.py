"""A user's server that is told of jobs: it keeps what it hears, and answers well, badly or not at all, by its path."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

TOGETHER = 2  # requests that wait for each other
HANG_S = 60


@dataclass
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def verified(self, secret: str) -> dict[str, Any]:
        """Return what was said, if the library finds it well signed."""
        return dict(Webhook(secret).verify(self.body, self.headers))


@dataclass
class Receiver:
    """A running server. `answers` are the next statuses of /next, 200 when there is none."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    most_at_once: int = 0
    together: threading.Event = field(default_factory=threading.Event)  # set once so many requests are there at once
    over: threading.Event = field(default_factory=threading.Event)
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, path: str) -> list[Heard]:
        """Return what was heard at a path."""
        return [heard for heard in list(self.heard) if heard.path == path]

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            if self._at_once >= TOGETHER:
                self.together.set()
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


class _Handler(http.server.BaseHTTPRequestHandler):
    receiver: Receiver

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        if len(body) < int(headers["content-length"]):  # the sender was killed in the middle
            self.close_connection = True
            return
        with self.receiver.counted():
            self.receiver.heard.append(Heard(self.path, headers, body, time.time()))
            self._answer(self.path.strip("/").split("/"))

    def _answer(self, path: list[str]) -> None:
        if path[0] == "hang":
            self.receiver.over.wait()
        elif path[0] == "together":
            self.receiver.together.wait(HANG_S)
            time.sleep(0.05)
            self._send(200)
        elif path[0] == "slow":
            time.sleep(0.1)
            self._send(200)
        elif path[0] == "drop":
            self.close_connection = True
        elif path[0] == "endless":
            self._talk_for_ever()
        elif path[0] == "next":
            self._send(self.receiver.answers.pop(0) if self.receiver.answers else 200)
        else:
            self._send(int(path[0]))

    def _send(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.receiver.url}/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _talk_for_ever(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.receiver.over.is_set():
                self.wfile.write(bytes(65536))
        except OSError:
            pass


class Server(http.server.ThreadingHTTPServer):
    """One that can be asked by as many as like at once, and waits for none of them at its end."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def run_receiver(port: int = 0) -> Iterator[Receiver]:
    """Run a server until the block ends."""
    receiver = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    server = Server(("127.0.0.1", port), handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        thread.join()
        server.server_close()

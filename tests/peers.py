"""Other people's servers, on loopback: they count who calls, keep what they are sent, and misbehave on request."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Peer:
    """A running web server: files of a folder at their names, `put` as asked for by `answers`."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    received: list[tuple[str, str, bytes]] = field(default_factory=list)  # path, Content-Type, body of each PUT
    answers: list[int] = field(default_factory=list)  # to the next PUTs; 200 when there is none
    redirects: dict[str, str] = field(default_factory=dict)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, peer: Peer, *args: Any, **kwargs: Any) -> None:
        self.peer = peer
        super().__init__(*args, **kwargs)

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.peer.requests.append(self.path)
        if self.path in self.peer.redirects:
            self.send_response(302)
            self.send_header("Location", self.peer.redirects[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/endless":
            self._stream_for_ever()
        elif self.path == "/lying":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        else:
            super().do_GET()

    def _stream_for_ever(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(65536))
        except OSError:
            pass

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.peer.received.append((self.path, self.headers["content-type"], body))
        self.send_response(self.peer.answers.pop(0) if self.peer.answers else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def run_peer(folder: Path) -> Iterator[Peer]:
    """Run a server over a folder until the block ends."""
    peer = Peer()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, peer, directory=str(folder)))
    peer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

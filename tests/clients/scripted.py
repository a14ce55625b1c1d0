"""A server that answers what it is told to, one answer after the other, and keeps what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """What will be answered: status, headers, body."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Add an answer."""
        self.answers.append((status, {name.replace("_", "-").lower(): value for name, value in headers.items()}, body))


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Yield a running server."""
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.asked.append(Asked(self.command, self.path, headers, body))
            status, given, content = script.answers.pop(0)
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **given}.items():
                self.send_header(name, value)
            self._headers_buffer.append(b"\r\n" + (b"" if self.command == "HEAD" else content))
            self.flush_headers()  # in one packet: a client that is slow meets no connection that was reset

        do_GET = do_HEAD = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

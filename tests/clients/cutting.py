"""A way to a server that breaks connections."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Cutter:
    """Passes bytes on; each connection takes the next cut, and the rest are whole."""

    target: tuple[str, int]
    cuts_down: list[int] = field(default_factory=list)  # bytes of an answer after which a connection breaks
    cuts_up: list[int] = field(default_factory=list)  # the same of what is sent
    connections: int = 0
    url: str = ""

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self.target)
            up = self.cuts_up.pop(0) if self.cuts_up else None
            down = self.cuts_down.pop(0) if self.cuts_down else None
            for one, other, cut in ((client, server, up), (server, client, down)):
                threading.Thread(target=_pass_on, args=(one, other, cut), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket, cut: int | None) -> None:
    left = cut
    with suppress(OSError):
        while chunk := one.recv(65536 if left is None else min(left, 65536)):
            other.sendall(chunk)
            left = None if left is None else left - len(chunk)
            if left == 0:
                break
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def cutting(url: str) -> Iterator[Cutter]:
    """Yield a way to the server at a URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    cutter = Cutter((parts.hostname, parts.port))
    listener = socket.create_server(("127.0.0.1", 0))
    cutter.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=cutter.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield cutter
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)

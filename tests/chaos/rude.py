"""Connections of clients that have no manners: they say what is of no use, read nothing, and stay."""

import re
import socket
from contextlib import suppress

TIMEOUT_S, ANSWER_S = 60, 0.2
RUDE = (  # what comes over a connection without a key, which then stays open
    b"",
    b"\r\n" * 20,
    b"GET /healthz HTTP/1.1\r\nhost: a\r\n",
    b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    b"POST /api/v1/denoise HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nxxxx",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


class RawConnection:
    """One connection at a time, which stays open until the next one."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._address, self._open = (host, int(port)), socket.socket()

    def begin(self, data: bytes) -> None:
        """Let go of the connection for a new one, and say something on it. Raises OSError."""
        self.close()
        self._open = socket.create_connection(self._address, timeout=TIMEOUT_S)
        self._open.sendall(data)

    def status(self) -> int:
        """Return what the server answered, 0 where it says nothing. Raises OSError."""
        self._open.settimeout(ANSWER_S)
        with suppress(TimeoutError):
            found = re.match(rb"HTTP/1.1 (\d+)", self._open.recv(100))
            return int(found[1]) if found else 0
        return 0

    def close(self) -> None:
        """Let go of the connection."""
        self._open.close()

"""A proxy of one TCP port that passes, cuts, freezes or answers 500, for what a network does to connections."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

CHUNK_BYTES = 2**16
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(eq=False)
class _Pair:
    """A client's connection and the one that it leads to."""

    client: socket.socket
    upstream: socket.socket
    mute: threading.Event = field(default_factory=threading.Event)  # what comes is acknowledged and goes nowhere

    def close(self) -> None:
        for end in (self.client, self.upstream):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    """Passes everything at first; `port` is where it listens."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[_Pair] = set()
        self._mutes_new = False
        self._broken = False
        self._passes = threading.Event()
        self._passes.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset every connection that is open now."""
        for pair in list(self._pairs):
            pair.close()

    def freeze(self) -> None:
        """Let every connection, also new ones until `thaw`, be acknowledged by its system and go nowhere for ever."""
        self._mutes_new = True
        for pair in list(self._pairs):
            pair.mute.set()

    def thaw(self) -> None:
        """Let connections pass that come from now on; those that were frozen stay so."""
        self._mutes_new = False

    def hold(self, seconds: float) -> None:
        """Pass nothing for a while, then everything that came meanwhile."""
        self._passes.clear()
        time.sleep(seconds)
        self._passes.set()

    @contextlib.contextmanager
    def broken(self) -> Iterator[None]:
        """Answer every request of HTTP with a 500 while the block lasts."""
        self._broken = True
        try:
            yield
        finally:
            self._broken = False

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(("127.0.0.1", self._upstream_port))
            except OSError:
                if self._listener.fileno() < 0:
                    return
                client.close()  # nobody is there behind us
                continue
            pair = _Pair(client, upstream)
            if self._mutes_new:
                pair.mute.set()
            self._pairs.add(pair)
            threading.Thread(target=self._pump, args=(pair, client, upstream, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(pair, upstream, client, False), daemon=True).start()

    def _pump(self, pair: _Pair, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._passes.wait()
                if pair.mute.is_set():
                    continue
                if asks and self._broken:
                    pair.client.sendall(BROKEN)
                    break
                target.sendall(data)
            if pair.mute.is_set():
                return  # not even the end is told
        self._pairs.discard(pair)
        pair.close()

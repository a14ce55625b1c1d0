"""Content codings of HTTP undone in bounded pieces, so that a small body cannot become a large block of memory."""

import zlib
from collections.abc import Iterator

PIECE_BYTES = 256 * 1024
SAME = frozenset({"", "identity", "none", "binary", "aws-chunked", "utf-8", "7bit", "8bit"})  # seen, and no coding
GZIP_MAGIC = b"\x1f\x8b"
MAX_CODINGS = 2


class UnknownCoding(Exception):
    """The body is coded in a way that is not read; the message is its name."""


class BrokenCoding(Exception):
    """The body is not in the coding that it is said to be in."""


class Inflater:
    """Undoes gzip or deflate."""

    def __init__(self, coding: str) -> None:
        self._gzip = coding != "deflate"
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | (16 if self._gzip else 0))
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether the end has come."""
        return self._inflate.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield what they stand for, at most PIECE_BYTES at a time. Raises BrokenCoding."""
        while data:
            if self._inflate.eof:
                if not (self._gzip and data.startswith(GZIP_MAGIC)):
                    return  # padding after the end
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)  # another member
            piece = self._decompress(data)
            if piece:
                yield piece
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail

    def _decompress(self, data: bytes) -> bytes:
        try:
            piece = self._inflate.decompress(data, PIECE_BYTES)
        except zlib.error:
            if self._gzip or self._begun:
                raise BrokenCoding from None
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # deflate without its wrapping, as some servers send
            self._begun = True
            return self._decompress(data)
        self._begun = True
        return piece


class Decoder:
    """Undoes what a Content-Encoding header names."""

    def __init__(self, header: str) -> None:
        """Raises UnknownCoding."""
        names = [name for name in (part.strip().lower() for part in header.split(",")) if name not in SAME]
        for name in names:
            if name not in ("gzip", "x-gzip", "deflate") or len(names) > MAX_CODINGS:
                raise UnknownCoding(name[:20])
        self._steps = [Inflater(name) for name in reversed(names)]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing at the end of the body."""
        return all(step.complete for step in self._steps)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes of the body, yield bytes of the content. Raises BrokenCoding."""
        return self._through(data, 0)

    def _through(self, data: bytes, step: int) -> Iterator[bytes]:
        if step == len(self._steps):
            yield data
            return
        for piece in self._steps[step].feed(data):
            yield from self._through(piece, step + 1)

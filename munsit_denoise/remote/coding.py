"""Decodes HTTP content codings in bounded pieces, so that a small body cannot fill the memory."""

import zlib
from collections.abc import Iterator

PIECE_BYTES = 256 * 1024
SAME = frozenset({"", "identity", "none", "binary", "aws-chunked", "utf-8", "7bit", "8bit"})  # seen, no effect
GZIP_MAGIC = b"\x1f\x8b"
MAX_CODINGS = 2


class UnknownCoding(Exception):
    """The body has an unsupported content coding, whose name is the message."""


class BrokenCoding(Exception):
    """The body is not valid in its content coding."""


class Inflater:
    """Decodes gzip or deflate."""

    def __init__(self, coding: str) -> None:
        self._gzip = coding != "deflate"
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | (16 if self._gzip else 0))
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether the end was reached."""
        return self._inflate.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield decoded bytes in pieces of at most PIECE_BYTES. Raises BrokenCoding."""
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
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # raw deflate, as some servers send
            self._begun = True
            return self._decompress(data)
        self._begun = True
        return piece


class Decoder:
    """Decodes what a Content-Encoding header names."""

    def __init__(self, header: str) -> None:
        """Raise UnknownCoding for an unsupported header."""
        names = [name for name in (part.strip().lower() for part in header.split(",")) if name not in SAME]
        for name in names:
            if name not in ("gzip", "x-gzip", "deflate") or len(names) > MAX_CODINGS:
                raise UnknownCoding(name[:20])
        self._steps = [Inflater(name) for name in reversed(names)]

    @property
    def complete(self) -> bool:
        """Whether the body is complete."""
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

"""Reads packets of samples and their time stamps from the NUT stream that a decoder writes.

NUT is the simplest container that carries exact time stamps with raw samples through a pipe. This reads what ffmpeg
writes for one audio stream: https://ffmpeg.org/~michael/nut.txt
"""

from collections.abc import Iterator
from dataclasses import dataclass

FILE_ID = b"nut/multimedia container\0"
MAIN, STREAM, SYNCPOINT = (0x4E4D7A561F5F04AD, 0x4E5311405BF2F9DB, 0x4E4BE4ADEECA4569)
FLAG_CODED_PTS, FLAG_STREAM_ID, FLAG_SIZE_MSB, FLAG_CHECKSUM, FLAG_RESERVED = 8, 16, 32, 64, 128
FLAG_HEADER, FLAG_MATCH_TIME, FLAG_CODED, FLAG_INVALID = 1_024, 2_048, 4_096, 8_192
MAX_PACKET_BYTES = 2**26  # of raw samples; no codec has longer frames
LONGEST_NUMBER = 10  # bytes, for 64 bits


class Malformed(Exception):
    """The stream is not what ffmpeg writes."""


@dataclass(frozen=True)
class _Code:
    """The meaning of the first byte of a frame."""

    flags: int
    pts_delta: int
    size_factor: int
    size: int
    reserved: int
    header: int


class _Cursor:
    """Reads numbers from bytes. Raises IndexError at their end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self) -> int:
        value = 0
        for _ in range(LONGEST_NUMBER):
            byte = self.data[self.at]
            self.at += 1
            if byte < 128:
                return value | byte
            value = (value | byte & 127) << 7
        raise Malformed

    def signed(self) -> int:
        value = self.number() + 1
        return -(value >> 1) if value & 1 else value >> 1

    def take(self, size: int) -> bytes:
        if not 0 <= size <= MAX_PACKET_BYTES:
            raise Malformed
        if self.at + size > len(self.data):
            raise IndexError
        self.at += size
        return self.data[self.at - size : self.at]


class NutReader:
    """Takes the stream in pieces of any size and yields its packets."""

    def __init__(self) -> None:
        self._buffer = b""
        self._codes: list[_Code] = []
        self._headers: list[bytes] = [b""]
        self._shift = self._last = 0
        self._has_begun = False
        self.unit_s = 0.0  # of the time stamps
        self.channels = 0  # set before the first packet

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield time stamp, in units of `unit_s`, and samples of each complete packet. Raises Malformed."""
        self._buffer += data
        cursor = _Cursor(self._buffer)
        done = 0
        try:
            while True:
                packet = self._next(cursor)
                done = cursor.at
                if packet is not None:
                    yield packet
        except IndexError:
            self._buffer = self._buffer[done:]

    def _next(self, cursor: _Cursor) -> tuple[int, bytes] | None:
        if not self._has_begun:
            if cursor.take(len(FILE_ID)) != FILE_ID:
                raise Malformed
            self._has_begun = True
            return None
        first = cursor.data[cursor.at]
        if first == ord("N"):
            self._read_packet(cursor, int.from_bytes(cursor.take(8)))
            return None
        if not self._codes or not self.channels:
            raise Malformed
        cursor.at += 1
        return self._frame(cursor, self._codes[first])

    def _read_packet(self, cursor: _Cursor, startcode: int) -> None:
        size = cursor.number()
        if size > 4_096:
            cursor.take(4)  # checksum
        content = _Cursor(cursor.take(size))
        try:
            if startcode == MAIN:
                self._read_main(content)
            elif startcode == STREAM:
                self._read_stream(content)
            elif startcode == SYNCPOINT:
                self._last = content.number()  # with one stream there is one time base
        except IndexError:
            raise Malformed from None

    def _read_main(self, content: _Cursor) -> None:
        if content.number() != 3 or content.number() != 1:  # version, streams
            raise Malformed
        content.number()  # distance between syncpoints
        if content.number() != 1:  # time bases
            raise Malformed
        self.unit_s = content.number() / max(content.number(), 1)
        self._codes = _read_codes(content)
        self._headers = [b"", *(content.take(content.number()) for _ in range(content.number()))]

    def _read_stream(self, content: _Cursor) -> None:
        content.number(), content.number()  # id, class
        content.take(content.number())  # fourcc
        content.number()  # time base
        self._shift = content.number()
        content.number(), content.number(), content.number()  # distance of stamps, delay, flags
        content.take(content.number())  # codec specific
        content.number(), content.number()  # rate
        self.channels = content.number()

    def _frame(self, cursor: _Cursor, code: _Code) -> tuple[int, bytes]:
        flags = code.flags ^ (cursor.number() if code.flags & FLAG_CODED else 0)
        if flags & FLAG_INVALID:
            raise Malformed
        if flags & FLAG_STREAM_ID:
            cursor.number()
        pts = self._pts(cursor.number()) if flags & FLAG_CODED_PTS else self._last + code.pts_delta
        size = code.size + (code.size_factor * cursor.number() if flags & FLAG_SIZE_MSB else 0)
        if flags & FLAG_MATCH_TIME:
            cursor.signed()
        header = self._headers[cursor.number() if flags & FLAG_HEADER else code.header]
        for _ in range(cursor.number() if flags & FLAG_RESERVED else code.reserved):
            cursor.number()
        if flags & FLAG_CHECKSUM:
            cursor.take(4)
        samples = header + cursor.take(size - len(header))
        self._last = pts
        return pts, samples

    def _pts(self, coded: int) -> int:
        window = 1 << self._shift
        if coded >= window:
            return coded - window
        lowest = self._last - (window - 1) // 2
        return (coded - lowest) % window + lowest


def _read_codes(content: _Cursor) -> list[_Code]:
    """Return the meaning of each first byte; `N` starts packets that are not frames."""
    codes: list[_Code] = []
    delta, factor, header = 0, 1, 0
    while len(codes) < 256:
        flags, fields = content.number(), content.number()
        delta = content.signed() if fields > 0 else delta
        factor = content.number() if fields > 1 else factor
        if fields > 2:
            content.number()  # stream
        size = content.number() if fields > 3 else 0
        reserved = content.number() if fields > 4 else 0
        count = content.number() if fields > 5 else factor - size
        if fields > 6:
            content.signed()  # match time
        header = content.number() if fields > 7 else header
        if fields > 8:
            raise Malformed
        for number in range(min(count, 256)):
            if len(codes) == ord("N"):
                codes.append(_Code(FLAG_INVALID, 0, 1, 0, 0, 0))
            codes.append(_Code(flags, delta, factor, size + number, reserved, header))
    return codes[:256]

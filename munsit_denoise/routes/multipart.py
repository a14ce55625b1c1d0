"""Parses a multipart body in pieces of any size: the headers of each part, then its bytes (RFC 2046, 7578).

More is accepted than the standard allows: lines that end in LF alone, blanks after a boundary, text before the first
boundary and after the last.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_HEADER_BYTES = 16 * 1024  # of one part
MAX_PARTS = 100
MAX_PADDING = 128  # blanks after a boundary
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
AFTER_BOUNDARY = re.compile(rb"(--)|[ \t]*(\r?\n)")
MAY_BECOME_THAT = re.compile(rb"-?|[ \t]*\r?")  # with more bytes


class BrokenForm(Exception):
    """The body is not a valid multipart form; the message says why."""


@dataclass(frozen=True)
class Part:
    """The headers of a part by lower-case name, in their order."""

    headers: dict[str, bytes] = field(default_factory=dict)


class FormReader:
    """Parses a body as it arrives, with bounded memory for any input."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\n--" + boundary
        self._buffer = b"\r\n"  # the first boundary follows a line end, too
        self._in_headers = False
        self._lf_only = False  # decided by the line of the first boundary
        self.parts = 0
        self.complete = False

    def feed(self, chunk: bytes) -> Iterator[Part | memoryview]:
        """Take bytes of the body; yield each part at its start, then views of its bytes. Raises BrokenForm."""
        self._buffer += chunk
        waiting = False
        while not waiting and not self.complete:
            if self._in_headers:
                part = self._take_headers()
                waiting = part is None
                if part is not None:
                    yield part
                continue
            inside = self.parts > 0  # what precedes the first boundary is ignored
            data, waiting = self._take_data()
            if inside and len(data):
                yield data
        if self.complete:
            self._buffer = b""

    def _take_headers(self) -> Part | None:
        """Return the part whose headers are in the buffer, or None if they are incomplete."""
        end = re.match(rb"\r?\n", self._buffer) or BLANK_LINE.search(self._buffer)
        if (end.start() if end else len(self._buffer)) > MAX_HEADER_BYTES:
            raise BrokenForm("The headers of a form part are too long.")
        if end is None:
            return None
        lines, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
        self._in_headers = False
        return Part(_read_headers(lines))

    def _take_data(self) -> tuple[memoryview, bool]:
        """Return a view of bytes that are certainly data, and whether more input is needed."""
        buffer, start = self._buffer, 0
        while (at := buffer.find(self._delimiter, start)) >= 0:
            after = at + len(self._delimiter)
            if match := AFTER_BOUNDARY.match(buffer, after):
                self._buffer = buffer[match.end() :]
                self._pass_boundary(match)
                carriage_return = not self._lf_only and buffer[max(at - 1, 0) : at] == b"\r"
                return memoryview(buffer)[: at - carriage_return], False
            if len(buffer) - after <= MAX_PADDING and MAY_BECOME_THAT.fullmatch(buffer, after):
                break
            start = at + 1
        # a delimiter may have started, after a carriage return
        keep_from = max(0, (at if at >= 0 else len(buffer) - len(self._delimiter) + 1) - 1)
        self._buffer = buffer[keep_from:]
        return memoryview(buffer)[:keep_from], True

    def _pass_boundary(self, after: re.Match[bytes]) -> None:
        if after[1]:
            self.complete = True
            return
        if self.parts == 0:
            self._lf_only = after[2] == b"\n"
        self.parts, self._in_headers = self.parts + 1, True
        if self.parts > MAX_PARTS:
            raise BrokenForm(f"The form has more than {MAX_PARTS} parts.")


def _read_headers(lines: bytes) -> dict[str, bytes]:
    headers: dict[str, bytes] = {}
    unfolded = re.sub(rb"\r?\n[ \t]+", b" ", lines)
    for line in re.split(rb"\r?\n", unfolded) if unfolded else []:
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            raise BrokenForm("A form part has a header that cannot be parsed.")
        headers.setdefault(name.strip().decode("latin-1").lower(), value.strip())
    return headers

"""The log: one line per event, as JSON or for a console, without secrets and without forged lines.

Our modules log through `get_logger`; lines that libraries log with `logging` are processed the same way. The level of
the settings applies to this package and uvicorn. Other libraries log only warnings and errors, at every level, because
at debug they print headers, URLs and keys.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quote
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger

from munsit_denoise.redaction import CHECKED, clean

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]
Fields = MutableMapping[str, Any]

OWN = "munsit_denoise"
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access")
STDERR = 2
TRACEBACK = "Traceback (most recent call last)"
_NOTHING: dict[str, Any] = {}
_remembered = ContextVar("remembered", default=_NOTHING)  # fields of each line; the dict is never changed in place


def configure_logging(level: Level, style: Format = "auto", stream: TextIO | None = None) -> None:
    """Send all lines of this process to a stream, by default standard error; nowhere if that is closed.

    `auto` is the console format on a terminal and JSON elsewhere.
    """
    target = stream or sys.stderr  # None if standard error is closed
    console = style == "console" or (style == "auto" and target is not None and target.isatty())
    structlog.configure(
        processors=[_console_line if console else _json_line],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=lambda *_: _Lines(target),
        cache_logger_on_first_use=False,
    )
    _take_over_libraries(_number(level))


def get_logger(**fields: Any) -> FilteringBoundLogger:
    """Return a logger; these fields are in each of its lines."""
    return cast(FilteringBoundLogger, structlog.get_logger(**fields))


def get_writer(level: Level) -> Callable[[Fields], None]:
    """Return a function that writes a line with these fields, including `event`, in half the time of a logger.

    It is for lines that every request writes.
    """
    if not get_logger().is_enabled_for(_number(level)):
        return lambda _: None
    config = structlog.get_config()
    render, lines = config["processors"][-1], config["logger_factory"]()
    return lambda fields: lines.msg(render(None, level, fields))


def remember(**fields: Any) -> None:
    """Add fields to all further lines of this task and of tasks that it starts."""
    _remembered.set({**_remembered.get(), **fields})


def remembered(name: str) -> Any:
    """Return a field that was added to the lines of this task, or None."""
    return _remembered.get().get(name)


@contextmanager
def remembering(**fields: Any) -> Iterator[None]:
    """Add fields to all lines of the block, and of tasks that it starts; None values are left out."""
    told = {name: value for name, value in fields.items() if value is not None}
    token = _remembered.set({**_remembered.get(), **told})
    try:
        yield
    finally:
        _remembered.reset(token)


class _Lines:
    """Writes complete lines; if the log cannot be written, requests and jobs continue."""

    def __init__(self, stream: TextIO | None) -> None:
        self._write, self._lock = _writer(stream), threading.Lock()

    def msg(self, line: str) -> None:
        try:
            with self._lock:
                self._write(line + "\n")
        except (OSError, ValueError):  # a full disk, a closed terminal
            return

    debug = info = warning = error = critical = exception = log = msg


def _writer(stream: TextIO | None) -> Callable[[str], object]:
    """Return a function that writes a line at once; to standard error without buffering, which is faster."""
    if stream is None:
        return len

    def write(line: str) -> None:
        stream.write(line)
        stream.flush()

    try:
        return _write_stderr if stream.fileno() == STDERR else write
    except (AttributeError, OSError, ValueError):
        return write


def _write_stderr(line: str) -> None:
    data = line.encode(errors="backslashreplace")
    while data:
        data = data[os.write(STDERR, data) :]


class _Forward(logging.Handler):
    """Processes lines of the standard library's `logging` like our own."""

    def emit(self, record: logging.LogRecord) -> None:
        if _said_elsewhere(record):
            return
        try:
            line = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the message
            line = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        fields: Fields = {"logger": record.name, "exc_info": record.exc_info and record.exc_info[1]}
        if line.startswith(TRACEBACK):  # of a failed start, as text
            fields["exception"], line = line.strip(), line.strip().rpartition("\n")[2]
        get_logger().log(level, line.strip(), **fields)


def _said_elsewhere(record: logging.LogRecord) -> bool:
    """Return whether a line is uvicorn's about a single socket: it repeats ours, and includes the query string."""
    chatter = record.levelno < logging.WARNING or "without completing handshake" in str(record.msg)
    return record.name == "uvicorn.error" and "websockets" in record.pathname and chatter


def _take_over_libraries(level: int) -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Forward)]:
        root.removeHandler(handler)
    root.addHandler(_Forward())
    root.setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    logging.getLogger(OWN).setLevel(level)
    for name in UVICORN:  # at debug, its socket protocol prints the headers of the handshake, including the key
        logger = logging.getLogger(name)
        logger.setLevel(max(level, logging.INFO))
        logger.handlers.clear()
        logger.propagate = True


def _number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _now() -> str:
    second, ms = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_utc(second)}.{ms:03d}Z"


def _take_out(fields: Fields) -> tuple[str, Fields]:
    """Return a line's event and its other fields: those of the task first, a traceback last."""
    event, error = clean("event", fields.pop("event", "")), fields.pop("exc_info", None)
    found = error if isinstance(error, BaseException) else sys.exception() if error else None
    if found is not None:
        fields["exception"] = "".join(traceback.format_exception(found)).strip()
    return event, {**_remembered.get(), **fields}


@lru_cache(maxsize=2)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _json_line(_: Any, method: str, fields: Fields) -> str:
    """Return a line as JSON in ASCII, which contains no control characters."""
    event, others = _take_out(fields)
    parts = [f'{{"time": "{_now()}", "level": "{_level(method)}", "event": {_quote(event)}']
    for name, value in others.items():  # called thousands of times a second: one pass, the common types first
        kind = type(value)
        if kind is int:
            parts.append(f'"{name}": {value}')
        elif kind is str and name in CHECKED:
            parts.append(f'"{name}": {_quote(value)}')
        else:
            parts.append(f'"{name}": {_json(clean(name, value))}')
    return ", ".join(parts).replace("\x7f", "\\u007f") + "}"


def _json(value: str | float | bool | None) -> str:
    if isinstance(value, str):
        return _quote(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _console_line(_: Any, method: str, fields: Fields) -> str:
    """Return a line for reading; a traceback follows below it, indented."""
    event, others = _take_out(fields)
    told = {name: value if name in CHECKED else clean(name, value) for name, value in others.items()}
    trace = told.pop("exception", "")
    pairs = "".join(f" {name}={_quoted(value)}" for name, value in told.items())
    below = trace.split("\n") if trace else []
    return "\n  ".join([f"{_now()} {_level(method):7} {_visible(event)} {pairs}".rstrip(), *map(_visible, below)])


def _level(method: str) -> str:
    return "error" if method == "exception" else method


def _quoted(value: Any) -> str:
    text = str(value)
    plain = text.isprintable() and not set(text) & set(' "=\\') and text
    return text if plain else '"' + _visible(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _visible(text: str) -> str:
    """Return a text with visible characters only; control characters are escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)

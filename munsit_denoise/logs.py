"""The log: one line an event, as JSON or for a console, without secrets and without lines that a client forged.

Our own modules log through `get_logger`; what libraries log with `logging` takes the same way. Only this package's
and uvicorn's lines follow the level of the settings. Whatever else speaks below a warning stays silent at every
level: at debug the libraries print headers, URLs and keys.
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
_remembered = ContextVar("remembered", default=_NOTHING)  # fields of each line; never changed in place


def configure_logging(level: Level, style: Format = "auto", stream: TextIO | None = None) -> None:
    """Send every line of this process to a stream, standard error if none is given; nowhere where that is closed.

    `auto` is the console's style on a terminal and JSON elsewhere.
    """
    target = stream or sys.stderr  # None where standard error is closed
    console = style == "console" or (style == "auto" and target is not None and target.isatty())
    structlog.configure(
        processors=[_console_line if console else _json_line],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=lambda *_: _Lines(target),
        cache_logger_on_first_use=False,
    )
    _take_over_libraries(_number(level))


def get_logger(**fields: Any) -> FilteringBoundLogger:
    """Return a logger; these fields stand in each of its lines."""
    return cast(FilteringBoundLogger, structlog.get_logger(**fields))


def get_writer(level: Level) -> Callable[[Fields], None]:
    """Return what writes a line of these fields, `event` among them, as a logger does but in half of its time.

    It is for what comes with every request.
    """
    if not get_logger().is_enabled_for(_number(level)):
        return lambda _: None
    config = structlog.get_config()
    render, lines = config["processors"][-1], config["logger_factory"]()
    return lambda fields: lines.msg(render(None, level, fields))


def remember(**fields: Any) -> None:
    """Put fields into each further line of this task and of those that it starts."""
    _remembered.set({**_remembered.get(), **fields})


def remembered(name: str) -> Any:
    """Return a field that stands in each line of this task, None if it does not."""
    return _remembered.get().get(name)


@contextmanager
def remembering(**fields: Any) -> Iterator[None]:
    """Put fields into each line of the block, and of the tasks that it starts; those that are None are left out."""
    told = {name: value for name, value in fields.items() if value is not None}
    token = _remembered.set({**_remembered.get(), **told})
    try:
        yield
    finally:
        _remembered.reset(token)


class _Lines:
    """Writes whole lines; a log that cannot be written is no reason for a request or a job to fail."""

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
    """Return what writes a line at once: to standard error past all buffers, which take longer than the line."""
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
    """Takes the lines of the standard library's `logging` the same way as our own."""

    def emit(self, record: logging.LogRecord) -> None:
        if _said_elsewhere(record):
            return
        try:
            line = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit
            line = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        fields: Fields = {"logger": record.name, "exc_info": record.exc_info and record.exc_info[1]}
        if line.startswith(TRACEBACK):  # of a start that failed, as text
            fields["exception"], line = line.strip(), line.strip().rpartition("\n")[2]
        get_logger().log(level, line.strip(), **fields)


def _said_elsewhere(record: logging.LogRecord) -> bool:
    """Say whether a line is uvicorn's about one socket: it would repeat our own, and prints the whole query."""
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
    for name in UVICORN:  # its socket protocol prints the handshake's headers at debug, and so the key
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
    """Return a line as JSON, in ASCII: a control character cannot get through."""
    event, others = _take_out(fields)
    parts = [f'{{"time": "{_now()}", "level": "{_level(method)}", "event": {_quote(event)}']
    for name, value in others.items():  # there are thousands a second: no second pass, the usual kinds first
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
    """Return a line to read; a traceback stands below it, moved to the right."""
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
    """Return a text whose every character can be seen; what moves a cursor or a line is written as an escape."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)

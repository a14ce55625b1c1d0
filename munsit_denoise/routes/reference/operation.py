"""The terms in which routes are described, and the dialect that each belongs to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from munsit_denoise import errors
from munsit_denoise.errors import DenoiseError

JSON, TEXT = "application/json", "text/plain"
Errors = tuple[type[DenoiseError], ...]
COUNT = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}

# The errors of all routes that need a key, that read something, and that accept something.
KEYED: Errors = (
    errors.InvalidKey,
    errors.WrongScope,
    errors.TooManyRequests,
    errors.DatabaseBusy,
    errors.DatabaseBroken,
    errors.DenoiseError,
)
TAKING_IN: Errors = (
    errors.UploadTooSlow,
    errors.Unavailable,
    errors.StorageFull,
    errors.StorageBroken,
    errors.OutOfResources,
    errors.ShuttingDown,
    errors.Interrupted,
)
SUBMITTING: Errors = (
    errors.InvalidUpload,
    errors.MissingFile,
    errors.FileTooLarge,
    errors.AudioTooLong,
    errors.ResultTooLarge,
    errors.NotMedia,
    errors.InvalidOption,
    errors.ProcessingFailed,
    errors.InsufficientBalance,
    errors.QueueFull,
    errors.TooManyJobs,
    errors.TooMuchWaiting,
    *TAKING_IN,
)
SAMPLES: dict[type[DenoiseError], DenoiseError] = {
    errors.FileTooLarge: errors.FileTooLarge(200, 262_144_000),
    errors.AudioTooLong: errors.AudioTooLong(15, 1234.5),
    errors.ResultTooLarge: errors.ResultTooLarge(2048, 3 * 2**30),
    errors.InsufficientBalance: errors.InsufficientBalance(150_000, 60_000),
    errors.TooManyRequests: errors.TooManyRequests(errors.Quota("requests", 60, 60), 7),
    errors.TooManyStreams: errors.TooManyStreams(200),
    errors.WrongOffset: errors.WrongOffset(1_048_576),
    errors.InvalidPage: errors.InvalidPage("offset must be a non-negative number"),
    errors.InvalidOption: errors.InvalidOption("strength must be a number from 0 to 1, or transcription."),
    errors.InvalidUpload: errors.InvalidUpload("The upload was cut off before the end of the form."),
    errors.Unavailable: errors.Unavailable("The server is busy. Please try again in a moment."),
}


class Model(BaseModel):
    """A JSON object of an answer, with exactly these keys."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query, a header or the path."""

    where: str  # query, header or path
    name: str
    schema: Mapping[str, Any]
    description: str
    example: Any = None
    required: bool = False


@dataclass(frozen=True)
class Content:
    """A body: its Python type or schema, and an example."""

    kind: Any
    example: Any = None
    media_type: str = JSON


@dataclass(frozen=True)
class Answer:
    """The answer to a successful request."""

    description: str
    contents: tuple[Content, ...] = ()
    status: int = 200
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method of a path."""

    summary: str
    tag: str
    answers: tuple[Answer, ...]
    errors: Errors = KEYED
    refusals: tuple[tuple[int, str], ...] = ()  # statuses of the protocol, with their sentences
    parameters: tuple[Parameter, ...] = ()
    contents: tuple[Content, ...] = ()  # of the request's body
    description: str = ""
    needs_key: bool = True
    needs_body: bool = True  # if it has contents


@dataclass(frozen=True)
class Dialect:
    """A base path, its errors, and the descriptions of its routes by method and path relative to the base."""

    name: str
    base: str
    operations: Mapping[str, Operation]
    on_error: Callable[[Request, Exception], Awaitable[Response]]  # for DenoiseError
    on_refusal: Callable[[Request, Exception], Awaitable[Response]]  # for HTTPException
    error_kinds: tuple[type[BaseModel], ...] = ()  # of JSON; empty: plain text
    statuses: Mapping[type[DenoiseError], int] = field(default_factory=dict)


def query(name: str, schema: Mapping[str, Any], description: str, example: Any = None) -> Parameter:
    """Return an optional query parameter."""
    return Parameter("query", name, schema, description, example)


def header(
    name: str, schema: Mapping[str, Any], description: str, example: Any = None, *, required: bool = False
) -> Parameter:
    """Return a request header."""
    return Parameter("header", name, schema, description, example, required)


def sample(kind: type[DenoiseError]) -> DenoiseError:
    """Return an error of a class with a typical sentence."""
    return SAMPLES[kind] if kind in SAMPLES else kind()

"""Builds the OpenAPI 3.1 document of an app from its routes and their descriptions."""

import json
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from munsit_denoise import __version__
from munsit_denoise.errors import DenoiseError
from munsit_denoise.routes.reference.headers import HEADERS
from munsit_denoise.routes.reference.operation import (
    JSON,
    TEXT,
    Answer,
    Content,
    Dialect,
    Operation,
    Parameter,
    sample,
)
from munsit_denoise.routes.reference.words import DESCRIPTION, PATH_PARAMETERS, TAGS, TITLE
from munsit_denoise.settings import PREFIX, Settings

REF = "#/components/schemas/{model}"
SECURITY = "key"
BARE = Request({"type": "http", "method": "GET", "path": "/", "headers": []})  # for error handlers; they do not read it
SOCKET = Answer("The connection becomes a WebSocket.", status=101)


def build_document(routes: Sequence[BaseRoute], dialects: Sequence[Dialect]) -> dict[str, Any]:
    """Return the document without its servers."""
    builder = _Builder(list(dialects))
    paths: dict[str, dict[str, Any]] = {}
    for path, method, route in walk(routes):
        plain = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
        paths.setdefault(plain, {})[method.lower()] = builder.operation(plain, method, route)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": __version__, "description": DESCRIPTION},
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "webhooks": builder.webhooks(),
        "components": builder.components(),
        "x-settings": settings_table(),
    }


def walk(routes: Sequence[BaseRoute], base: str = "") -> Iterator[tuple[str, str, Route | WebSocketRoute]]:
    """Yield path, method and route of everything that is served; the method of a socket is GET."""
    for route in routes:
        if isinstance(route, WebSocketRoute):
            yield base + route.path, "GET", route
        elif isinstance(route, Route) and route.include_in_schema:
            methods = route.methods or {"GET"}
            for method in sorted(methods - {"HEAD"} or methods):
                yield base + route.path, method, route
        elif isinstance(route, Mount):
            yield from walk(_routes_of(route), base + route.path)


def _routes_of(mount: Mount) -> Sequence[BaseRoute]:
    app: Any = mount.app
    while app is not None and not hasattr(app, "routes"):
        app = getattr(app, "app", None)
    return list(getattr(app, "routes", []))


def settings_table() -> list[dict[str, Any]]:
    """Return all settings by their variable, with meaning and default."""
    return [
        {"name": PREFIX + name.upper(), "description": field.description, "default": _plain(field.default)}
        for name, field in Settings.model_fields.items()
    ]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else str(value)


@dataclass
class _Builder:
    dialects: list[Dialect]
    _schemas: dict[str, Any] = field(default_factory=dict)
    _examples: dict[str, Any] = field(default_factory=dict)

    def operation(self, path: str, method: str, route: Route | WebSocketRoute) -> dict[str, Any]:
        """Return the operation of a path."""
        found = [one for one in self.dialects if path.startswith(f"{one.base}/")]
        dialect = max(found, key=lambda one: len(one.base))
        said = dialect.operations.get(f"{method} {path.removeprefix(dialect.base)}") or _undescribed(route)
        operation: dict[str, Any] = {
            "operationId": f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path).rstrip('_')}",
            "summary": said.summary,
            "tags": [said.tag],
            "parameters": [_parameter(one) for one in (*_in_path(path), *said.parameters)],
            "responses": self._responses(said, dialect, is_socket=isinstance(route, WebSocketRoute)),
            "security": [{SECURITY: []}] if said.needs_key else [],
        }
        if said.description:
            operation["description"] = said.description
        if said.contents:
            operation["requestBody"] = {"required": said.needs_body, "content": self._contents(said.contents)}
        return operation

    def webhooks(self) -> dict[str, Any]:
        """Return the requests that the server sends."""
        found: dict[str, Any] = {}
        for dialect in self.dialects:
            for name, said in dialect.operations.items():
                if not name.startswith("WEBHOOK "):
                    continue
                found[name.removeprefix("WEBHOOK ")] = {
                    "post": {
                        "summary": said.summary,
                        "description": said.description,
                        "tags": [said.tag],
                        "parameters": [_parameter(one) for one in said.parameters],
                        "requestBody": {"content": self._contents(said.contents)},
                        "responses": {str(one.status): {"description": one.description} for one in said.answers},
                    }
                }
        return found

    def components(self) -> dict[str, Any]:
        """Return the schemas that operations refer to, and the errors of each dialect."""
        for dialect in self.dialects:
            for kind in dialect.statuses:
                self._example(dialect, kind)
        return {
            "schemas": self._schemas,
            "headers": HEADERS,
            "examples": self._examples,
            "securitySchemes": {SECURITY: {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        }

    def _responses(self, said: Operation, dialect: Dialect, *, is_socket: bool) -> dict[str, Any]:
        answers = (*said.answers, *((SOCKET,) if is_socket else ()))
        responses = {str(one.status): self._answer(one) for one in answers}
        for status, told in _told(said, dialect).items():
            entry = responses.setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": {}})
            entry.setdefault("content", {}).update(self._error_content(dialect, told))
            if headers := {name: one for _, _, given in told for name, one in _known_headers(given).items()}:
                entry["headers"] = {**entry.get("headers", {}), **headers}
        return dict(sorted(responses.items()))

    def _answer(self, answer: Answer) -> dict[str, Any]:
        entry: dict[str, Any] = {"description": answer.description}
        if answer.contents:
            entry["content"] = self._contents(answer.contents)
        if answer.headers:
            entry["headers"] = {name: _header_ref(name) for name in answer.headers}
        return entry

    def _contents(self, contents: Sequence[Content]) -> dict[str, Any]:
        return {
            one.media_type: {"schema": self._schema(one.kind)}
            | ({} if one.example is None else {"example": one.example})
            for one in contents
        }

    def _error_content(self, dialect: Dialect, told: list[tuple[str, Any, Mapping[str, str]]]) -> dict[str, Any]:
        if not dialect.error_kinds:
            return {TEXT: {"schema": {"type": "string"}, "example": told[0][1]}}
        schemas = [self._schema(kind) for kind in dialect.error_kinds]
        examples = {name: self._error_example(dialect, name, body) for name, body, _ in told}
        return {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, "examples": examples}}

    def _error_example(self, dialect: Dialect, name: str, body: Any) -> dict[str, Any]:
        if name[:1].isdigit():
            return {"value": body}
        self._examples.setdefault(f"{dialect.name}.{name}", {"value": body})
        return {"$ref": f"#/components/examples/{dialect.name}.{name}"}

    def _example(self, dialect: Dialect, kind: type[DenoiseError]) -> None:
        _, body, _ = _answered(dialect.on_error(BARE, sample(kind)))
        told = {"summary": (kind.__doc__ or "").splitlines()[0], "value": body}
        self._examples[f"{dialect.name}.{kind.__name__}"] = told

    def _schema(self, kind: Any) -> dict[str, Any]:
        if isinstance(kind, Mapping):
            return dict(kind)
        schema = TypeAdapter(kind).json_schema(ref_template=REF)
        self._schemas |= schema.pop("$defs", {})
        if "$ref" not in schema and (name := getattr(kind, "__name__", "")) and schema.get("type") == "object":
            self._schemas[name] = schema  # the library gives no name to a model without references
            return {"$ref": REF.format(model=name)}
        return schema


def _undescribed(route: Route | WebSocketRoute) -> Operation:
    """Return an operation made from a route's docstring."""
    words = (route.endpoint.__doc__ or route.name).strip().splitlines()[0]
    return Operation(words, "other", (Answer("As it says."),))


def _told(said: Operation, dialect: Dialect) -> dict[int, list[tuple[str, Any, Mapping[str, str]]]]:
    """Return names, bodies and headers of an operation's errors, by status."""
    found: dict[int, list[tuple[str, Any, Mapping[str, str]]]] = {}
    for kind in said.errors:
        status, body, headers = _answered(dialect.on_error(BARE, sample(kind)))
        found.setdefault(status, []).append((kind.__name__, body, headers))
    for status, sentence in said.refusals:
        _, body, headers = _answered(dialect.on_refusal(BARE, HTTPException(status, sentence)))
        found.setdefault(status, []).append((str(status), body, headers))
    return found


def _answered(answering: Awaitable[Response]) -> tuple[int, Any, Mapping[str, str]]:
    """Return status, body and headers of an answer that can be computed without waiting."""
    step = answering.__await__()
    try:
        next(step)
    except StopIteration as end:
        response: Response = end.value
        body = bytes(response.body).decode()
        return response.status_code, json.loads(body) if response.media_type == JSON else body, response.headers
    raise RuntimeError("telling an error must wait for nothing")


def _known_headers(given: Mapping[str, str]) -> dict[str, Any]:
    return {name: _header_ref(name) for name in HEADERS if name.lower() in given}


def _header_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _in_path(path: str) -> Iterator[Parameter]:
    for name in re.findall(r"\{(\w+)\}", path):
        schema, description, example = PATH_PARAMETERS.get(name, ({"type": "string"}, "", None))
        yield Parameter("path", name, schema, description, example, required=True)


def _parameter(one: Parameter) -> dict[str, Any]:
    entry = {"name": one.name, "in": one.where, "required": one.required, "schema": dict(one.schema)}
    entry |= {"description": one.description} if one.description else {}
    return entry | ({} if one.example is None else {"example": one.example})

"""The line and the count of each request, whatever the app behind it does."""

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from munsit_denoise.logs import configure_logging
from munsit_denoise.metrics import Metrics
from munsit_denoise.routes.access_log import AccessLog
from munsit_denoise.routes.names import RouteNames

pytestmark = pytest.mark.anyio
START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture
def log() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logging("info", "json", stream)
    yield stream
    configure_logging("error", "json", StringIO())


class Edge:
    """An access log around an app that sends what it is told to."""

    def __init__(self, log: StringIO) -> None:
        self.log, self.metrics, self.sent = log, Metrics(), []

    async def ask(self, *messages: Message | Exception | Callable[[], None], **scope: Any) -> dict[str, Any]:
        """Return the line of a request whose app sends these messages, or breaks on one that is an exception."""

        async def app(_: Scope, __: Receive, send: Send) -> None:
            for message in messages:
                if isinstance(message, Exception):
                    raise message
                await send(message) if isinstance(message, dict) else message()

        async def send(message: Message) -> None:
            self.sent.append(message)

        asked = {
            "type": "http",
            "method": "GET",
            "path": "/x",
            "query_string": b"",
            "headers": [],
            "client": ("::1", 1),
        }
        self.sent.clear()
        await AccessLog(app, self.metrics, RouteNames([]))(asked | scope, None, send)  # type: ignore[arg-type]
        line: dict[str, Any] = json.loads(self.log.getvalue().splitlines()[-1])
        return line

    def listeners(self) -> dict[str, float]:
        """Return how many streams and sockets are open."""
        (family,) = [each for each in self.metrics.registry.collect() if each.name == "denoise_listeners"]
        return {each.labels["kind"]: each.value for each in family.samples}


@pytest.fixture
def edge(log: StringIO) -> Edge:
    return Edge(log)


@pytest.mark.parametrize(
    ("sent", "used"),
    [(b"abc-1:/x", True), (b"~" * 64, True), (b"~" * 65, False), (b"a b", False), (b"a\nb", False), (b"", False),
     ("ü".encode(), False), (b"mds_0123456789", False)],
)  # fmt: skip
async def test_the_id_of_a_request(edge: Edge, sent: bytes, used: bool) -> None:
    headers = (b"a", b"b")
    line = await edge.ask(START | {"headers": [headers]}, headers=[(b"host", b"h"), (b"x-request-id", sent)])
    assert edge.sent[0]["headers"] == [headers, (b"x-request-id", line["request_id"].encode())]
    assert (line["request_id"].encode() == sent) is used
    assert line["request_id"]
    assert START["headers"] == []  # of a response that is sent again and again


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            400,
            b'{"errorCode":"40001","errorMessage":"limit must be a positive number"}',
            "limit must be a positive number",
        ),
        (422, b'{"detail":"The body must be JSON."}', "The body must be JSON."),
        (404, b'{"message":"Denoising job not found"}', "Denoising job not found"),
        (410, b"Gone", "Gone"),
        (404, b'["what"]', '["what"]'),
        (418, b"", "I'm a Teapot"),
        (599, b"", "599"),
        (503, b"\xff\r\n\x1b[2J", "\ufffd\r\n\x1b[2J"),
    ],
)
async def test_a_refusal_tells_its_reason(edge: Edge, status: int, body: bytes, reason: str) -> None:
    line = await edge.ask(START | {"status": status}, {"type": "http.response.body", "body": body})
    assert (line["event"], line["status"], line["reason"], line["bytes"]) == ("request", status, reason, len(body))
    assert line["level"] == ("warning" if status >= 500 else "info")
    line = await edge.ask({"type": "websocket.http.response.start", "status": status, "headers": []},
                          {"type": "websocket.http.response.body", "body": body}, type="websocket")  # fmt: skip
    assert (line["event"], line["status"], line["reason"]) == ("request", status, reason)


async def test_what_breaks_and_what_nobody_waits_for(edge: Edge) -> None:
    with pytest.raises(ValueError, match="secret"):
        await edge.ask(START, ValueError("secret"))
    line = json.loads(edge.log.getvalue())
    assert (line["status"], line["reason"]) == (500, "the server broke on it: ValueError")
    assert (await edge.ask())["status"] == 499
    refused = await edge.ask({"type": "websocket.close", "code": 1008}, type="websocket")
    assert (refused["status"], refused["reason"]) == (403, "Forbidden")


async def test_a_stream_is_one_line_at_its_end(edge: Edge) -> None:
    open_streams = []
    bodies = [b"data: {}\n\n", b": ping\n\n", b"data: {}\n\ndata: {}\n\n", b""]
    line = await edge.ask(
        START | {"headers": [(b"content-type", b"text/event-stream; charset=utf-8")]},
        lambda: open_streams.append(edge.listeners()),
        *({"type": "http.response.body", "body": body} for body in bodies),
    )
    assert (line["event"], line["events"], line["status"]) == ("stream", 3, 200)
    assert open_streams == [{"stream": 1.0, "socket": 0.0}]
    assert edge.listeners() == {"stream": 0.0, "socket": 0.0}
    assert len(edge.log.getvalue().splitlines()) == 1
    assert b"denoise_request_seconds_count{" not in edge.metrics.render()  # it would be taken for a slow answer


async def test_a_socket_is_one_line_at_its_end(edge: Edge) -> None:
    open_sockets = []
    with pytest.raises(RuntimeError):
        await edge.ask(
            {"type": "websocket.accept"},
            {"type": "websocket.send", "text": "a"},
            {"type": "websocket.send", "bytes": b"bc"},
            lambda: open_sockets.append(edge.listeners()),
            RuntimeError(),
            type="websocket",
        )
    line = json.loads(edge.log.getvalue())
    assert (line["event"], line["events"], line["bytes"]) == ("socket", 2, 3)
    assert open_sockets == [{"stream": 0.0, "socket": 1.0}]
    assert edge.listeners() == {"stream": 0.0, "socket": 0.0}


async def test_of_a_query_only_the_harmless_is_told(edge: Edge) -> None:
    query = b"limit=20&x-api-key=mds_x&offset=0&status=%0a&outputExt=mp3&limit=" + b"a" * 40
    assert (await edge.ask(START, query_string=query))["query"] == "limit=20&offset=0&outputExt=mp3"
    assert "client" in await edge.ask(START, client=None)


async def test_what_a_proxy_says_of_its_client_is_cut(edge: Edge) -> None:
    line = await edge.ask(START, client=("mds_secret " + "x" * 1000, 0))
    assert line["client"] == "mds_*** " + "x" * 55 + "…"


async def test_without_a_configured_log_there_is_one_as_well(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    with pytest.raises(IndexError):  # not in the log of the test
        await edge.ask(START)
    assert "path=/x" in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)

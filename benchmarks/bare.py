"""A minimal Starlette app for each thing that `benchmarks.api` measures, which shows the limit of the machine."""

import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

FRAME = b'data: {"stage":"processing","pct":15,"message":"Running noise reduction"}\n\n'
END = b'data: {"stage":"done","url":"http://127.0.0.1:8000/","denoiseId":"x"}\n\n'


class Bell:
    """Wakes all listeners at once."""

    def __init__(self) -> None:
        self.rung = anyio.Event()
        self.frame = b""

    def ring(self, frame: bytes) -> None:
        self.frame, rung = frame, self.rung
        self.rung = anyio.Event()
        rung.set()


def create_bare(body: bytes, folder: Path) -> Starlette:
    """Return an app whose routes only send, wait or write."""
    bell = Bell()

    async def page(_: Request) -> Response:
        return Response(body, media_type="application/json")

    async def replay(_: Request) -> Response:
        return Response(END, media_type="text/event-stream")

    async def listen(_: Request) -> Response:
        async def frames() -> AsyncIterator[bytes]:
            yield FRAME
            while bell.frame != END:
                await bell.rung.wait()
                yield bell.frame

        return StreamingResponse(frames(), media_type="text/event-stream")

    def ring(frame: bytes) -> Callable[[Request], Response]:
        async def answer(_: Request) -> Response:
            bell.ring(frame)
            return Response()

        return answer  # type: ignore[return-value]

    async def sink(request: Request) -> Response:
        async with await anyio.open_file(folder / uuid.uuid4().hex, "wb") as file:
            collected = bytearray()
            async for chunk in request.stream():
                collected += chunk
                if len(collected) >= 2**20:
                    await file.write(collected)
                    collected = bytearray()
            await file.write(collected)
            await file.flush()
            await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
        return Response()

    routes = [
        Route("/page", page),
        Route("/replay", replay),
        Route("/listen", listen),
        Route("/ring", ring(FRAME.replace(b"15", b"30"))),
        Route("/end", ring(END)),
        Route("/sink", sink, methods=["POST"]),
    ]
    return Starlette(routes=routes)


if __name__ == "__main__":
    port, body_path, sink_folder = sys.argv[1:]
    app = create_bare(Path(body_path).read_bytes(), Path(sink_folder))
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)

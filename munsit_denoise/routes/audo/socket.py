"""A job's states over a WebSocket: the current one, every change and the end; then the server closes it."""

import json
from contextlib import suppress

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from munsit_denoise.errors import DenoiseError, InvalidKey
from munsit_denoise.jobs.listeners import Listener
from munsit_denoise.records import DenoiseRecord, Done, Event, Processing
from munsit_denoise.routes.audo.errors import error_response
from munsit_denoise.routes.audo.wire import state_json
from munsit_denoise.routes.auth import identify
from munsit_denoise.routes.language import wording_of
from munsit_denoise.routes.state import services_of

SEND_TIMEOUT_S = 30  # a client that accepts nothing for this long is dropped
NORMAL, POLICY_VIOLATION, RESTARTING = 1000, 1008, 1012
COMPLETE = 100


async def status_socket(websocket: WebSocket) -> None:
    """Send the states of a job as text messages."""
    services, job_id = services_of(websocket), websocket.path_params["job_id"]
    try:
        identity = await identify(websocket)
        record = await services.history.get(identity.user_id, job_id)
        with services.watchers.listen(job_id, identity.key_id) as listener:
            await websocket.accept()
            code = await _serve(websocket, record, listener)
    except DenoiseError as error:  # none is raised once the socket is open
        await websocket.send_denial_response(error_response(websocket, error))
        return
    if code is not None:
        with suppress(WebSocketDisconnect):  # the client may be gone
            await websocket.close(code)


async def _serve(websocket: WebSocket, record: DenoiseRecord, listener: Listener) -> int | None:
    """Send states while the client is connected; return the close code, or None if the client is gone."""
    code = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_gone, websocket, tasks.cancel_scope)
        with suppress(WebSocketDisconnect, TimeoutError):  # the client is gone
            code = await _send_states(websocket, record, listener)
        tasks.cancel_scope.cancel()
    return code


async def _until_gone(websocket: WebSocket, scope: anyio.CancelScope) -> None:
    """Discard incoming messages, and cancel the scope when the client leaves."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
    scope.cancel()


async def _send_states(websocket: WebSocket, record: DenoiseRecord, listener: Listener) -> int:
    """Send states until the job has ended; return the close code."""

    words = wording_of(websocket)

    def encode(event: Event) -> str:
        return json.dumps(state_json(record, event, words), separators=(",", ":"))

    percent: int | None = None
    try:
        async for told in listener:
            if told is None:
                continue  # the protocol's own pings are the keep-alive
            event = told.event
            if isinstance(event, Done) and percent not in (None, COMPLETE):
                await _send(websocket, encode(Processing(COMPLETE)))
            if not isinstance(event, Processing) or event.percent != percent:
                await _send(websocket, told.encoded(("audo", words), encode))
            percent = event.percent if isinstance(event, Processing) else percent
            if told.is_end:
                return NORMAL
    except InvalidKey:
        return POLICY_VIOLATION
    return RESTARTING


async def _send(websocket: WebSocket, text: str) -> None:
    with anyio.fail_after(SEND_TIMEOUT_S):
        await websocket.send_text(text)

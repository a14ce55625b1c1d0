"""A job's states over a WebSocket: what it does now, every change, its end, and then the server closes."""

import json
from contextlib import suppress

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from munsit_denoise.errors import DenoiseError, InvalidKey
from munsit_denoise.jobs.watch import Patience
from munsit_denoise.records import DenoiseRecord, Done, Event, Failed, Processing
from munsit_denoise.routes.audo.errors import error_response
from munsit_denoise.routes.audo.wire import state_json
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.state import services_of

SEND_TIMEOUT_S = 30  # a reader whose connection takes nothing for so long is dropped
NORMAL, POLICY_VIOLATION, RESTARTING = 1000, 1008, 1012
COMPLETE = 100


async def status_socket(websocket: WebSocket) -> None:
    """Send the states of a job as text messages."""
    job_id = websocket.path_params["job_id"]
    try:
        user_id = await authenticate(websocket)
        record = await services_of(websocket).denoise.get(user_id, job_id)
    except DenoiseError as error:
        await websocket.send_denial_response(error_response(error))
        return
    await websocket.accept()
    code = await _serve(websocket, record)
    if code is not None:
        with suppress(WebSocketDisconnect):  # it may have gone since
            await websocket.close(code)


async def _serve(websocket: WebSocket, record: DenoiseRecord) -> int | None:
    """Send states while the client is there; return the code to close with, None when it has gone."""
    code = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_gone, websocket, tasks.cancel_scope)
        with suppress(WebSocketDisconnect, TimeoutError):  # nobody is there any more
            code = await _send_states(websocket, record)
        tasks.cancel_scope.cancel()
    return code


async def _until_gone(websocket: WebSocket, scope: anyio.CancelScope) -> None:
    """Read and forget what the client says, and end everything when it leaves."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
    scope.cancel()


async def _send_states(websocket: WebSocket, record: DenoiseRecord) -> int:
    """Send until the job has ended; return the code to close with."""
    services = services_of(websocket)
    settings = services.settings
    patience = Patience(settings.sse_recheck_s, settings.sse_idle_timeout_s)

    async def authorise() -> None:
        await authenticate(websocket)

    percent: int | None = None
    try:
        async for event in services.denoise.watch(record.user_id, record.id, authorise, patience):
            if isinstance(event, Done) and percent not in (None, COMPLETE):
                await _send(websocket, record, Processing(COMPLETE))
            if not isinstance(event, Processing) or event.percent != percent:
                await _send(websocket, record, event)
            percent = event.percent if isinstance(event, Processing) else percent
            if isinstance(event, Done | Failed):
                return NORMAL
    except InvalidKey:
        return POLICY_VIOLATION
    return RESTARTING


async def _send(websocket: WebSocket, record: DenoiseRecord, event: Event) -> None:
    with anyio.fail_after(SEND_TIMEOUT_S):
        await websocket.send_text(json.dumps(state_json(record, event), separators=(",", ":")))

"""What a client of Audo's dialect does."""

import json
from pathlib import Path
from typing import Any

import httpx2
from websocket import create_connection

from tests.live import Live

State = dict[str, Any]


def post_form(api: httpx2.Client, path: Path, **params: str) -> str:
    with path.open("rb") as file:
        answer = api.post("/remove-noise", files={"file": (path.name, file)}, params=params)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"jobId"}
    return str(answer.json()["jobId"])


def upload(api: httpx2.Client, path: Path) -> str:
    with path.open("rb") as file:
        answer = api.post("/upload", files={"file": (path.name, file)})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"fileId"}
    return str(answer.json()["fileId"])


def post_job(api: httpx2.Client, **fields: Any) -> str:
    answer = api.post("/remove-noise", json=fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jobId"])


def states(server: Live, job_id: str, path: str = "/v1/wss/remove-noise/{}/status") -> list[State]:
    """Return all states that a WebSocket brings until the server closes it."""
    url = server.url.replace("http", "ws") + path.format(job_id)
    connection = create_connection(url, header={"x-api-key": server.key}, timeout=60)
    found = [json.loads(message) for message in iter(connection.recv, "")]  # empty: the server closed
    connection.shutdown()
    return found


def fetch(server: Live, state: State) -> httpx2.Response:
    path = state.get("downloadPath") or "/" + state["processedPath"]
    return httpx2.get(f"{server.url}/v1{path}")

"""HTTP clients as they are, each with its own idea of a form: the file and its name arrive."""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests

from tests.live import Live

CASES = Path(__file__).parent.parent / "cases"
NAME = 'مقابلة "1", é 50%.wav'
RECORDING_MD5 = "eb1e9126598f62d3a77148863d8707bb"
NODE = """
const [url, key, path, name] = process.argv.slice(1);
const form = new FormData();
form.append('audio', new Blob([require('fs').readFileSync(path)], {type: 'audio/wav'}), name);
fetch(url, {method: 'POST', headers: {'x-api-key': key}, body: form}).then(a => a.text()).then(console.log);
"""


def send_requests(url: str, key: str, path: Path) -> Any:
    with path.open("rb") as file:
        return requests.post(url, headers={"x-api-key": key}, files={"audio": (NAME, file)}, timeout=60).json()


def send_httpx(url: str, key: str, path: Path) -> Any:
    with path.open("rb") as file:
        return httpx.post(url, headers={"x-api-key": key}, files={"audio": (NAME, file)}).json()


def send_httpx2(url: str, key: str, path: Path) -> Any:
    with path.open("rb") as file:
        return httpx2.post(url, headers={"x-api-key": key}, files={"audio": (NAME, file)}).json()


def send_aiohttp(url: str, key: str, path: Path) -> Any:
    async def send() -> Any:
        async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
            data = aiohttp.FormData()
            data.add_field("audio", path.read_bytes(), filename=NAME)
            async with session.post(url, data=data) as answer:
                return await answer.json()

    return asyncio.run(send())


def send_undici(url: str, key: str, path: Path) -> Any:
    return program("node", "-e", NODE, url, key, str(path), NAME)


def send_curl(url: str, key: str, path: Path) -> Any:
    return program("curl", "-s", "-H", f"x-api-key: {key}", "-F", f"audio=@{path};filename={quoted(NAME)}", url)


def program(*command: str) -> Any:
    """Return the JSON that a program prints."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def quoted(name: str) -> str:
    """Return a name as curl's command line takes it."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The WAV inside both cases."""
    path = tmp_path_factory.mktemp("recording") / "recording.wav"
    body = (CASES / "no_filename.multipart").read_bytes()
    path.write_bytes(body[body.index(b"RIFF") : body.rindex(b"\r\n--XbX")])
    assert hashlib.md5(path.read_bytes()).hexdigest() == RECORDING_MD5
    return path


@pytest.mark.parametrize(
    "send",
    [send_requests, send_httpx, send_httpx2, send_aiohttp, send_undici, send_curl],
    ids=lambda send: send.__name__,
)
def test_the_name_comes_as_it_is(live: Live, recording: Path, send: Callable[[str, str, Path], Any]) -> None:
    answer = send(f"{live.url}/api/v1/denoise", live.key, recording)
    record = live.record(answer["denoiseId"])
    assert (record["file_name"], record["audio_format"], record["audio_size"]) == (NAME, "wav", 8044)


@pytest.mark.parametrize(
    ("case", "name"), [("dotnet_arabic.multipart", "مقابلة.wav"), ("no_filename.multipart", "recording.wav")]
)
def test_the_cases_arrive(live: Live, case: str, name: str) -> None:
    headers = {"content-type": "multipart/form-data; boundary=XbX"}
    answer = live.client.post("/denoise", content=(CASES / case).read_bytes(), headers=headers)
    record = live.record(answer.json()["denoiseId"])
    assert (record["file_name"], record["audio_format"]) == (name, "wav")
    assert hashlib.md5(httpx.get(record["original_audio_url"]).content).hexdigest() == RECORDING_MD5


@pytest.mark.parametrize("name", ["New Recording 12.2", "blob", "audio.tmp", "a.wav.part"])
def test_the_content_decides_where_the_name_says_nothing(live: Live, recording: Path, name: str) -> None:
    record = live.record(live.upload(recording, name))
    assert (record["file_name"], record["audio_format"], record["source_type"]) == (name, "wav", "audio")

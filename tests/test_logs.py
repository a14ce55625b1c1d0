"""The log: every event is a line that nobody can forge, and no secret stands in it, at debug neither."""

import json
import logging
import re
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websocket import WebSocketException, create_connection

from munsit_denoise.logs import configure_logging, get_logger, remembered, remembering
from munsit_denoise.redaction import MAX_FILE_NAME, clean, clean_text, host_of, safe_path
from tests.audio import write_noisy
from tests.live import Live, run_live
from tests.peers import run_peer

HOSTILE = 'a\r\n2026-01-01T00:00:00Z error forged=1 \x1b[31m\x7f\x9b2J\u202e\u2028 "quoted" مقابلة.mp3'
NAME = 'مقابلة "1".wav'
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def log() -> Iterator[StringIO]:
    stream = StringIO()
    yield stream
    configure_logging("error", "json", StringIO())


def lines(log: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_an_event_is_one_line_with_the_time_and_its_zone(log: StringIO) -> None:
    configure_logging("info", "json", log)
    with remembering(job="j-1", request_id=None):
        get_logger().info("job started", file=HOSTILE, speed=float("nan"), what=[1], here=True, none=None)
    (line,) = lines(log)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert (line["level"], line["event"], line["job"]) == ("info", "job started", "j-1")
    assert line["file"] == HOSTILE
    assert (line["speed"], line["here"], line["none"], line["what"]) == ("nan", True, None, "[1]")
    assert "request_id" not in line
    assert remembered("job") is None


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_value_can_forge_a_line_or_move_a_cursor(log: StringIO, style: Any) -> None:
    configure_logging("info", style, log)
    get_logger().info(HOSTILE, file=HOSTILE)
    logging.getLogger("a.library").warning("says %s", HOSTILE)
    written = log.getvalue()
    assert written.count("\n") == 2
    assert all(each.isprintable() for each in written.replace("\n", ""))


def test_a_traceback_in_the_console_stands_below_its_line(log: StringIO) -> None:
    configure_logging("info", "console", log)
    try:
        raise ValueError("broken\n2026-01-01T00:00:00Z error forged \x1b[2J http://u:pass@h/?sig=1")
    except ValueError:
        get_logger().exception("job broke", job="j")
    first, *below = log.getvalue().splitlines()
    assert first.endswith("error   job broke  job=j")
    assert all(line.startswith("  ") for line in below)
    assert "\x1b" not in log.getvalue()
    assert "pass" not in log.getvalue()


def test_a_traceback_that_comes_as_text_is_one_as_well(log: StringIO) -> None:
    """The way in which uvicorn tells of a start that failed."""
    configure_logging("info", "json", log)
    text = "Traceback (most recent call last):\n" + '  File "x.py", line 1\n' * 50 + "OSError: no room\n"
    logging.getLogger("uvicorn.error").error(text)
    (line,) = lines(log)
    assert (line["event"], line["exception"]) == ("OSError: no room", text.strip())


def test_auto_is_json_where_nobody_looks(log: StringIO) -> None:
    configure_logging("info", "auto", log)
    get_logger().info("an event")
    assert lines(log)[0]["event"] == "an event"


def test_a_closed_standard_error_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    configure_logging("info")
    get_logger().info("nobody hears this")
    logging.getLogger("a.library").error("nor this")


def test_levels_libraries_and_what_cannot_be_written(log: StringIO) -> None:
    configure_logging("debug", "json", log)
    get_logger().debug("ours")
    for name in ("httpx2", "httpcore.http11", "websockets.server", "aiosqlite", "sqlalchemy.engine", "new.library"):
        logging.getLogger(name).info("chatter")
    logging.getLogger("uvicorn.error").debug("> x-api-key: mds_secret")
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("munsit_denoise.x").debug("standard")
    misfit = logging.LogRecord("b", logging.WARNING, "b.py", 1, "arguments %d do not fit", ("x",), None)
    next(each for each in logging.getLogger().handlers if type(each).__module__ == "munsit_denoise.logs").emit(misfit)
    told = ["ours", "Started", "standard", "arguments %d do not fit"]
    assert [line["event"] for line in lines(log)] == told
    configure_logging("error", "json", log)
    get_logger().warning("not told")
    assert len(lines(log)) == len(told)
    log.close()
    get_logger().error("nobody can read this")  # and nothing breaks


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("to https://u:p@h.example:8443/a?X-Signature=1 now", "to https://h.example:8443 now"),
        ("http://user:pa/ss@host/x", "http://***"),
        ("http://a:b@[::1]:80/x", "http://[::1]:80"),
        ("key mds_abcDEF123 was sent", "key mds_*** was sent"),
        (f"/denoising/u/{SECRET}_denoised.wav", "/denoising/u/***_denoised.wav"),
        ("audo_enhanced_6f1c0000-0000-4000-8000-000000000000.mp3", "audo_enhanced_***.mp3"),
        ("> x-api-key: hunter2 and more", "> x-api-key: ***"),
        ("[(b'Authorization', b'Bearer hunter2')]", "[(b'Authorization', b'***')]"),
        ("SELECT ? [parameters: ('a secret',)]", "SELECT ? [parameters: ***]"),
        ("6f1c0000-0000-4000-8000-000000000000", "6f1c0000-0000-4000-8000-000000000000"),
        ("x" * 600, "x" * 499 + "…"),
    ],
)
def test_secrets_are_taken_out(text: str, told: str) -> None:
    assert clean_text(text) == told


def test_paths_and_names() -> None:
    assert safe_path(f"/denoising/u/{SECRET}_original.mp3") == "/denoising/u/***_original.mp3"
    assert safe_path("/v1dl/artifacts/clean/anything/at/all") == "/v1dl/artifacts/clean/***"
    assert safe_path("/api/v1/denoise") == "/api/v1/denoise"
    assert host_of("ftp://u:p@Host/x") == "ftp://Host"
    assert host_of("nothing") == "***"
    assert len(clean("file", "x" * 1000)) == MAX_FILE_NAME


def test_a_whole_session_at_debug_tells_no_secret(log: StringIO, tmp_path: Path) -> None:
    """Everything a client can do, with secrets wherever there is room for one."""
    configure_logging("debug", "json", log)
    folder = tmp_path / "peer"
    folder.mkdir()
    wav = write_noisy(folder / "speech.wav", 0.3, 8_000)
    secrets = {"hunter2secret", "PresignedInput", "PresignedOutput", "wrongkeywrongkey", "QuerySecret"}
    with run_peer(folder) as peer, run_live(tmp_path / "data", allowed_networks="127.0.0.0/8") as live:
        done = munsit_session(live, wav)
        job_id, url_job_id = audo_session(live, wav, peer.url)
        secrets |= {live.key, live.key[4:], done["audio_url"].split("/")[-1][:32]}
        with closing(sqlite3.connect(live.settings.data_dir / "denoise.db")) as database:
            secrets |= {row[0] for row in database.execute("SELECT secret FROM denoise_records")}
            secrets |= {row[0] for row in database.execute("SELECT key_hash FROM api_keys")}
    written = log.getvalue()
    told = lines(log)
    for secret in secrets | {f"{s[:8]}-{s[8:12]}-{s[12:16]}-{s[16:20]}-{s[20:]}" for s in secrets if len(s) == 32}:
        assert secret not in written
    assert "Traceback" not in written
    assert any(line.get("logger") == "uvicorn.error" for line in told)
    check_lines_of_jobs(told, done["id"], job_id, url_job_id)
    check_lines_of_requests(told, done["id"])


def munsit_session(live: Live, wav: Path) -> dict[str, Any]:
    """Upload, follow, list, download, and be refused; return the record."""
    headers = {"x-request-id": "request-of-upload"}
    with wav.open("rb") as file:
        answer = live.client.post("/denoise", files={"audio": (NAME, file)}, headers=headers)
    assert answer.headers["x-request-id"] == "request-of-upload"
    job_id = str(answer.json()["denoiseId"])
    live.events(job_id)
    record = live.record(job_id)
    assert live.client.get("/denoise", params={"limit": 5, "x-api-key": "QuerySecret"}).status_code == 200
    assert httpx2.get(record["audio_url"]).status_code == 200
    assert live.client.get("/denoise", params={"limit": 0}).status_code == 400
    wrong = httpx2.get(live.url + "/api/v1/denoise", headers={"x-api-key": "mds_wrongkeywrongkey"})
    assert wrong.status_code == 401
    assert live.client.post("/denoise", files={"audio": ("a.wav", b"no sound")}).status_code == 400
    assert raw_answer(live, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n").startswith(b"HTTP/1.1 400")
    too_long = httpx2.get(live.url + "/nowhere", headers={"x-request-id": "x" * 65})
    assert re.fullmatch("[0-9a-f]{16}", too_long.headers["x-request-id"])
    return record


def raw_answer(live: Live, request: bytes) -> bytes:
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096)


def audo_session(live: Live, wav: Path, peer: str) -> tuple[str, str]:
    """Upload, watch by a socket, fetch from a URL, deliver to one, delete; return the two jobs' ids."""
    own = {"x-api-key": live.key}
    base, host = live.url + "/v1", peer.removeprefix("http://")
    source = f"http://user:hunter2secret@{host}/speech.wav?X-Amz-Signature=PresignedInput"
    target = f"http://user:hunter2secret@{host}/out?X-Amz-Signature=PresignedOutput"
    file_id = httpx2.post(base + "/upload", headers=own, files={"file": ("a.wav", wav.read_bytes())}).json()["fileId"]
    jobs = []
    for fields in ({"input": file_id}, {"input": source, "output": target, "outputExtension": "wav"}):
        job_id = httpx2.post(base + "/remove-noise", headers=own, json=fields).json()["jobId"]
        jobs.append(str(job_id))
        url = base.replace("http", "ws") + f"/wss/remove-noise/{job_id}/status"
        connection = create_connection(url, header=own, timeout=30)
        states = list(iter(connection.recv, ""))
        connection.shutdown()
        end = json.loads(states[-1])
        assert end["state"] == "succeeded", end
        assert httpx2.get(base + end["downloadPath"]).status_code == 200
    with pytest.raises(WebSocketException):
        create_connection(url, header={"x-api-key": "mds_wrongkeywrongkey"}, timeout=30)
    lost = f"http://{host}/nothing-here.wav?sig=PresignedInput"
    lost_id = httpx2.post(base + "/remove-noise", headers=own, json={"input": lost}).json()["jobId"]
    live.events(str(lost_id))
    assert httpx2.post(base + f"/remove-noise/{jobs[1]}/delete-results", headers=own).status_code == 200
    return jobs[0], jobs[1]


def check_lines_of_jobs(told: list[dict[str, Any]], form_id: str, upload_id: str, url_id: str) -> None:
    """A job's lines carry its id and its request's, who, what, how long and how fast."""
    of_form = {line["event"]: line for line in told if line.get("job") == form_id}
    assert [*of_form][:3] == ["job accepted", "job started", "job succeeded"]
    for line in of_form.values():
        assert (line["request_id"], line["user"], line["file"]) == ("request-of-upload", "tester", NAME)
    end = of_form["job succeeded"]
    assert end["sound"] == pytest.approx(0.3)
    assert end["speed"] == pytest.approx(end["sound"] / end["seconds"], rel=0.1)
    of_url = {line["event"]: line for line in told if line.get("job") == url_id}
    assert [*of_url] == [
        "job accepted", "original fetched", "job started", "result delivered", "job succeeded", "files deleted",
    ]  # fmt: skip
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+", line["source"]) for line in of_url.values() if "source" in line)
    assert any(line.get("job") == upload_id and line["event"] == "job succeeded" for line in told)
    (failed,) = [line for line in told if line["event"] == "job failed"]
    assert "404" in failed["reason"]
    assert failed["request_id"]


def check_lines_of_requests(told: list[dict[str, Any]], job_id: str) -> None:
    """Every request is a line; a refusal's has its reason; streams and sockets are one line at their end."""
    requests = [line for line in told if line["event"] in ("request", "stream", "socket")]
    assert all(line["request_id"] and line["client"] == "127.0.0.1" for line in requests)
    refused = [line for line in requests if line["status"] >= 400]
    assert all(line["reason"] for line in refused)
    reasons = {line["reason"] for line in refused}
    assert {"limit must be a positive number", "Invalid or missing API key", "Not Found"} <= reasons
    stream = next(line for line in requests if line["event"] == "stream" and job_id in line["path"])
    assert (stream["status"], stream["user"]) == (200, "tester")
    assert stream["events"] >= 1
    sockets = [line for line in requests if line["event"] == "socket"]
    assert [line["status"] for line in sockets] == [101, 101]
    assert any(line.get("query") == "limit=5" for line in requests)
    assert any("***_denoised.wav" in line["path"] for line in requests)
    (unreadable,) = [line for line in told if line["event"] == "request refused"]
    assert (unreadable["status"], unreadable["reason"]) == (400, "The Host header names no host.")

"""With DENOISE_BALANCE=on jobs take minutes, in every way in; what a user has used is told."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from munsit_denoise.db.balance import Balances
from munsit_denoise.db.engine import open_database
from tests.audio import write_noisy, write_silence
from tests.live import Live, run_live
from tests.peers import Peer

SECONDS, MINUTES = 3, 0.05
REFUSAL = "Insufficient balance. Required: 0.05 minutes. Available: 0 minutes."


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("paid")
    with run_live(folder, balance="on", allowed_networks="127.0.0.0/8") as server:
        yield server


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("audio") / "three.wav", SECONDS, 8000)


def credit(live: Live, user: str, amount_ms: int) -> None:
    async def give() -> None:
        database = open_database(live.settings.database)
        await Balances(database).credit(user, amount_ms)
        await database.close()

    anyio.run(give)


def used(client: httpx2.Client) -> dict[str, Any]:
    answer = client.get("/usage")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_every_way_in_is_refused_without_a_trace(paid: Live, wav: Path, peer: Peer) -> None:
    munsit, audo = paid.client_for("poor"), httpx2.Client(base_url=paid.url + "/v1", timeout=60)
    audo.headers["x-api-key"] = munsit.headers["x-api-key"]
    with munsit, audo:
        before, body = paid.files(), wav.read_bytes()
        refused = munsit.post("/denoise", files={"audio": ("a.wav", body)})
        assert refused.status_code == 402
        assert refused.json() == {"errorCode": "40201", "errorMessage": REFUSAL}
        form = audo.post("/remove-noise", files={"file": ("a.wav", body)})
        file_id = audo.post("/upload", files={"file": ("a.wav", body)}).json()["fileId"]
        for answer in (form, audo.post("/remove-noise", json={"input": file_id})):
            assert answer.status_code == 400
            assert answer.json() == {"detail": REFUSAL}
        assert munsit.get("/denoise").json() == []
        assert len(paid.files()) == len(before) + 1  # the upload
        job_id = audo.post("/remove-noise", json={"input": f"{peer.url}/speech.wav"}).json()["jobId"]
        end = paid.events(job_id, munsit)[-1]
        assert end["message"] == "Insufficient balance. Required: 0.03 minutes. Available: 0 minutes."
        assert used(munsit)["minutes_available"] == 0
        assert used(munsit)["bytes_stored"] == len(body)


def test_success_is_paid_and_what_parallel_clients_send_is_bounded(paid: Live, wav: Path) -> None:
    with paid.client_for("rich") as client, ThreadPoolExecutor(6) as pool:
        credit(paid, "rich", 3 * SECONDS * 1000)
        body = wav.read_bytes()
        posted = [pool.submit(client.post, "/denoise", files={"audio": ("a.wav", body)}) for _ in range(6)]
        answers = [future.result() for future in posted]
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [402] * 3
        job_ids = [answer.json()["denoiseId"] for answer in answers if answer.status_code == 200]
        assert client.post(f"/denoise/{job_ids[-1]}/cancel").status_code == 200
        for job_id in job_ids[:-1]:
            assert paid.events(job_id, client)[-1]["stage"] == "done"
        records = {record["id"]: record for record in client.get("/denoise").json()}
        with closing(sqlite3.connect(paid.settings.database_path)) as connection:
            rows = dict(connection.execute("SELECT id, job_id FROM transactions WHERE kind = 'reservation'"))
        assert {rows[record["transaction_id"]] for record in records.values()} == set(job_ids)
        kept = [path for path in paid.files() if path.parent.name in job_ids]
        assert sorted(path.name.partition("-")[0] for path in kept) == [
            "denoised",
            "denoised",
            *["original"] * 3,
            "tiles",
            "tiles",
        ]
        told = used(client)
        assert told.pop("user_id") == records[job_ids[0]]["user_id"]
        assert told == {
            "jobs": {"pending": 0, "success": 2, "failed": 1},
            "minutes_processed": 2 * MINUTES,
            "minutes_available": MINUTES,
            "bytes_stored": sum(path.stat().st_size for path in kept),
        }


def test_of_fifty_clients_ten_find_room_and_each_that_fails_gets_it_back_once(
    paid: Live, wav: Path, tmp_path: Path
) -> None:
    body = wav.read_bytes()
    with paid.client_for("crowd") as client, paid.client_for("first") as first, ThreadPoolExecutor(50) as pool:
        credit(paid, "first", 300_000)
        credit(paid, "crowd", 10 * SECONDS * 1000)
        running = paid.upload(write_silence(tmp_path / "long.wav", 300), client=first)  # the others wait behind it
        posted = [pool.submit(client.post, "/denoise", files={"audio": ("a.wav", body)}) for _ in range(50)]
        answers = [future.result() for future in posted]
        assert sorted(answer.status_code for answer in answers) == [200] * 10 + [402] * 40
        assert used(client)["minutes_available"] == 0
        job_ids = [answer.json()["denoiseId"] for answer in answers if answer.status_code == 200]
        for path in paid.files():
            if path.parent.name in job_ids[6:]:
                path.unlink()
        ends = [pool.submit(client.post, f"/denoise/{job_id}/cancel") for job_id in job_ids[:4] for _ in range(3)]
        ends += [pool.submit(client.delete, f"/denoise/{job_id}") for job_id in job_ids[2:6] for _ in range(3)]
        assert {future.result().status_code for future in ends} <= {200, 204, 404}
        first.delete(f"/denoise/{running}")
        assert {paid.events(job_id, client)[-1]["stage"] for job_id in job_ids[6:]} == {"error"}
        assert used(client)["minutes_available"] == pytest.approx(10 * MINUTES)


def test_without_a_balance_nothing_is_taken(live: Live) -> None:
    with live.client_for("free") as client:
        assert used(client) == {
            "user_id": used(client)["user_id"],
            "jobs": {"pending": 0, "success": 0, "failed": 0},
            "minutes_processed": 0.0,
            "minutes_available": None,
            "bytes_stored": 0,
        }
        assert client.get("/usage", headers={"x-api-key": "wrong"}).status_code == 401

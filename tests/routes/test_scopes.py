"""What each kind of key may do, in both dialects; keys that end; what the admin's key sees and changes."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from websocket import WebSocketBadStatusException, create_connection

from munsit_denoise.db.engine import now_us, open_database
from munsit_denoise.db.key_book import KeyBook, KeyOptions
from munsit_denoise.records import Scope
from tests.live import Live, run_live

SHAPE = {"errorCode": "40301", "errorMessage": "This API key may only read. Please use a key with the scope full."}
LIFE_US = 3_000_000  # of a key that ends in a test
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with run_live(tmp_path_factory.mktemp("scopes"), "/healthz", sse_recheck_s=0.2) as live:
        yield live


def key_of(live: Live, user: str, options: KeyOptions) -> str:
    async def create() -> str:
        database = open_database(live.settings.database)
        try:
            return await KeyBook(database).create(user, options)
        finally:
            await database.close()

    return anyio.run(create)


@pytest.fixture(scope="module")
def reader(house: Live) -> str:
    return key_of(house, "tester", KeyOptions(scope=Scope.READ))


@pytest.fixture(scope="module")
def admin(house: Live) -> Iterator[httpx2.Client]:
    key = key_of(house, "boss", KeyOptions(scope=Scope.ADMIN))
    with httpx2.Client(base_url=house.url + "/api/v1", headers={"x-api-key": key}, timeout=60) as client:
        yield client


def test_a_reading_key_looks_and_submits_nothing(house: Live, reader: str, noisy_wav: Path) -> None:
    headers = {"x-api-key": reader}
    with httpx2.Client(base_url=house.url, headers=headers, timeout=60) as client, noisy_wav.open("rb") as file:
        assert client.get("/api/v1/denoise").status_code == 200
        assert client.get(f"/api/v1/denoise/{UNKNOWN}/progress").status_code == 404
        assert client.get("/api/v1/webhooks/deliveries").json() == []
        assert client.get("/v1/apiKey/test").status_code == 200
        refused = client.post("/api/v1/denoise", files={"audio": ("a.wav", file)})
        assert (refused.status_code, refused.json()) == (403, SHAPE)
        assert client.post(f"/api/v1/webhooks/deliveries/{UNKNOWN}/retry").status_code == 403
        for path in ("/v1/upload", "/v1/remove-noise", f"/v1/remove-noise/{UNKNOWN}/delete-results"):
            refused = client.post(path)
            assert (refused.status_code, refused.json()) == (403, {"detail": SHAPE["errorMessage"]})
        assert client.get("/api/v1/admin/queue").json()["errorMessage"] == "This needs an API key with the scope admin."
    with pytest.raises(WebSocketBadStatusException) as error:
        create_connection(house.url.replace("http", "ws") + f"/v1/remove-noise/{UNKNOWN}/ws", header=headers)
    assert error.value.status_code == 404, "a reading key may listen"


def test_a_key_ends_with_its_time_also_while_it_is_remembered(house: Live) -> None:
    key = key_of(house, "tester", KeyOptions(expires_at_us=now_us() + LIFE_US))
    with httpx2.Client(base_url=house.url, headers={"x-api-key": key}) as client:
        assert client.get("/api/v1/denoise").status_code == 200
        end = time.monotonic() + 20
        while client.get("/api/v1/denoise").status_code == 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert client.get("/api/v1/denoise").json() == {
            "errorCode": "40101",
            "errorMessage": "Invalid or missing API key",
        }
        assert client.get("/v1/apiKey/test").status_code == 401


def test_a_stream_ends_with_its_key(house: Live) -> None:
    pending_job(house, "11111111-0000-4000-8000-000000000000")
    key = key_of(house, "tester", KeyOptions(scope=Scope.READ, expires_at_us=now_us() + LIFE_US))
    url = f"{house.url}/api/v1/denoise/11111111-0000-4000-8000-000000000000/progress"
    began_s = time.monotonic()
    with httpx2.stream("GET", url, headers={"x-api-key": key}, timeout=30) as answer:
        assert answer.status_code == 200
        answer.read()
    assert time.monotonic() - began_s < 20


def pending_job(live: Live, job_id: str) -> None:
    """Put a job into the database that nobody runs."""
    with closing(sqlite3.connect(live.settings.database_path)) as connection:
        (user_id,) = connection.execute("SELECT id FROM users WHERE name = 'tester'").fetchone()
        row = {
            "id": job_id, "user_id": user_id, "origin": "munsit", "secret": job_id, "file_name": "a.wav",
            "audio_format": "wav", "source_type": "audio", "audio_duration": 2.0, "audio_size": 1000,
            "original_key": f"{job_id}/original", "status": "pending", "attempts": 1, "lease": 1, "percent": 30,
            "created_at": now_us() - 5_000_000, "updated_at": now_us(),
        }  # fmt: skip
        marks = ", ".join(f":{name}" for name in row)
        connection.execute(f"INSERT INTO denoise_records ({', '.join(row)}) VALUES ({marks})", row)
        connection.commit()


def test_the_last_use_of_a_key_is_noted_and_not_at_each_request(house: Live, admin: httpx2.Client) -> None:
    key = key_of(house, "user of one key", KeyOptions(name="phone"))

    def used() -> str | None:
        keys: list[dict[str, Any]] = admin.get("/admin/keys").json()
        return next(each["last_used_at"] for each in keys if each["id"] == key[:12])

    assert used() is None
    assert httpx2.get(house.url + "/api/v1/denoise", headers={"x-api-key": key}).status_code == 200
    end = time.monotonic() + 20
    while used() is None and time.monotonic() < end:
        time.sleep(0.05)
    first = used()
    assert first
    httpx2.get(house.url + "/api/v1/denoise", headers={"x-api-key": key})
    assert used() == first


@pytest.mark.parametrize("path", ["users", "keys", "balances", "queue", "disk", "rates"])
def test_only_an_admin_may(house: Live, path: str) -> None:
    refused = house.client.get(f"/admin/{path}")
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "40301")
    assert httpx2.get(f"{house.url}/api/v1/admin/{path}").status_code == 401


def test_users_and_keys_are_made_listed_replaced_and_revoked(house: Live, admin: httpx2.Client) -> None:
    made = admin.post("/admin/users", json={"name": "Zoë"})
    assert made.status_code == 201
    user = made.json()
    assert admin.get(f"/admin/users/{user['id']}").json() == user
    assert user in admin.get("/admin/users", params={"limit": 5}).json()
    assert admin.post("/admin/users", json={"name": "Zoë"}).status_code == 409

    raised = admin.patch(f"/admin/users/{user['id']}", json={"priority": 7})
    assert (user["priority"], raised.json()) == (0, user | {"priority": 7})
    assert admin.get(f"/admin/users/{user['id']}").json()["priority"] == 7
    answer = admin.post(f"/admin/users/{user['id']}/keys", json={"name": "CI", "scope": "read", "expires": "30d"})
    assert answer.status_code == 201
    key, info = answer.json()["key"], {name: value for name, value in answer.json().items() if name != "key"}
    assert (info["name"], info["scope"], info["id"], info["user"]) == ("CI", "read", key[:12], "Zoë")
    assert admin.get(f"/admin/users/{user['id']}/keys").json() == [info]
    assert works(house, key)

    rotated = admin.post(f"/admin/keys/{info['id']}/rotate", json={"grace": "0"})
    assert rotated.status_code == 201
    new = rotated.json()
    assert (new["name"], new["scope"], new["user_id"]) == ("CI", "read", user["id"])
    assert not works(house, key)
    assert works(house, new["key"])
    assert admin.delete(f"/admin/keys/{new['id']}").status_code == 204
    assert not works(house, new["key"])
    for gone in (admin.delete(f"/admin/keys/{new['id']}"), admin.post(f"/admin/keys/{new['id']}/rotate")):
        assert (gone.status_code, gone.json()["errorCode"]) == (404, "40403")


def works(live: Live, key: str) -> bool:
    return httpx2.get(live.url + "/api/v1/denoise", headers={"x-api-key": key}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/admin/users", {}, "name"),
        ("/admin/users", {"name": " "}, "name"),
        ("/admin/users", {"name": 7}, "name"),
        ("/admin/users", [1], "The body"),
        ("/admin/users/{id}/keys", {"scope": "root"}, "scope"),
        ("/admin/users/{id}/keys", {"expires": "yesterday"}, "expires"),
        ("/admin/users/{id}/keys", {"expires": "2001-01-01"}, "expires"),
        ("/admin/users/{id}/balance", {"minutes": 0}, "minutes"),
        ("/admin/users/{id}/balance", {"minutes": "many"}, "minutes"),
        ("PATCH /admin/users/{id}", {"priority": 101}, "priority"),
        ("PATCH /admin/users/{id}", {"priority": 1.5}, "priority"),
        ("PATCH /admin/users/{id}", {}, "priority"),
    ],
)
def test_what_makes_no_sense_is_a_400_that_names_it(admin: httpx2.Client, path: str, body: Any, field: str) -> None:
    user_id = admin.get("/admin/users").json()[0]["id"]
    method, _, address = f"POST {path}".rpartition(" ")
    answer = admin.request(method.split()[-1], address.replace("{id}", user_id), json=body)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
    assert answer.json()["errorMessage"].startswith(field)


def test_what_is_not_there_is_a_404(admin: httpx2.Client) -> None:
    for method, path, body in (
        ("GET", f"users/{UNKNOWN}", None),
        ("GET", f"users/{UNKNOWN}/keys", None),
        ("POST", f"users/{UNKNOWN}/keys", {}),
        ("POST", f"users/{UNKNOWN}/balance", {"minutes": 1}),
        ("PATCH", f"users/{UNKNOWN}", {"priority": 1}),
        ("DELETE", "keys/mds_", None),
        ("POST", "keys/%25%25/rotate", None),
    ):
        answer = admin.request(method, f"/admin/{path}", json=body)
        assert (answer.status_code, answer.json()["errorCode"]) == (404, "40403"), path
    assert admin.get("/admin/users", params={"limit": "0"}).json()["errorMessage"] == "limit must be a positive number"


def test_minutes_are_credited(admin: httpx2.Client) -> None:
    user = admin.post("/admin/users", json={"name": "payer"}).json()
    path = f"/admin/users/{user['id']}/balance"
    assert admin.get(path).json() == {"user_id": user["id"], "user": "payer", "minutes_available": 0}
    assert admin.post(path, json={"minutes": 2.5}).json()["minutes_available"] == 2.5
    assert admin.post(path, json={"minutes": 0.5}).json()["minutes_available"] == 3
    assert admin.get("/admin/balances", params={"limit": 1}).json() == [admin.get(path).json()]


def test_the_queue_the_disk_and_the_rates_are_told(house: Live, admin: httpx2.Client, noisy_wav: Path) -> None:
    pending_job(house, "22222222-0000-4000-8000-000000000000")
    waiting = {job["denoise_id"]: job for job in admin.get("/admin/queue").json()}
    job = waiting["22222222-0000-4000-8000-000000000000"]
    assert (job["user"], job["state"], job["percent"], job["attempts"]) == ("tester", "waiting", 30, 1)
    assert 5 <= job["age_s"] < 600
    house.events(house.upload(noisy_wav))
    disk, rates = admin.get("/admin/disk").json(), admin.get("/admin/rates").json()
    assert list(disk) == ["free_bytes", "originals_bytes", "results_bytes", "uploads_bytes"]
    assert disk["originals_bytes"] >= noisy_wav.stat().st_size
    assert disk["free_bytes"] > 0
    assert (rates["jobs"], rates["success"], rates["failed"], rates["sound_s"]) == (1, 1, 0, 2.0)
    assert rates["real_time_factor"] > 0


def test_the_log_of_webhooks_has_the_rules_of_the_list(house: Live) -> None:
    for query, complaint in (
        ("offset=-1", "offset must be a non-negative number"),
        ("limit=0", "limit must be a positive number"),
        ("limit=1.5&offset=x", "offset must be a non-negative number"),
    ):
        answer = house.client.get(f"/webhooks/deliveries?{query}")
        assert (answer.status_code, answer.json()["errorMessage"]) == (400, complaint)
    assert house.client.post(f"/webhooks/deliveries/{UNKNOWN}/retry").status_code == 404


def test_a_user_goes_with_all_that_is_theirs(house: Live, admin: httpx2.Client, noisy_wav: Path) -> None:
    key = key_of(house, "leaver", KeyOptions())
    with httpx2.Client(base_url=house.url + "/api/v1", headers={"x-api-key": key}, timeout=60) as client:
        job_id = house.upload(noisy_wav, client=client)
        house.events(job_id, client)
    user_id = next(user["id"] for user in admin.get("/admin/users").json() if user["name"] == "leaver")
    assert admin.delete(f"/admin/users/{user_id}").status_code == 204
    assert admin.delete(f"/admin/users/{user_id}").status_code == 404
    assert not works(house, key)
    assert not [path for path in house.files() if job_id in str(path)]

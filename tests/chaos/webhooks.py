"""kill -9 between a job's end and the moment when its user's server has heard of it: each end is told, under one id."""

import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.audio import write_noisy
from tests.chaos.books import Books
from tests.chaos.kills import serving
from tests.live import Live, ServerProcess
from tests.prepared import run
from tests.receivers import Receiver, run_receiver

PATIENCE_S = 120
ENVIRONMENT = {"ALLOWED_NETWORKS": "127.0.0.0/8", "JOB_MAX_ATTEMPTS": "100", "JOB_RETRY_DELAY_S": "0"}
Moment = Callable[[Live, Receiver, list[str]], None]  # waits for when to kill, given the jobs so far


def kill_while_telling(folder: Path, moments: list[Moment]) -> Books:
    """Submit a job before each moment, kill the server then, start it again, and compare what was heard in the end."""
    books, source = Books(), write_noisy(folder / "a.wav", 0.3, 8_000)
    with run_receiver() as receiver, serving(folder, **ENVIRONMENT) as (server, live):
        for moment in moments:
            books.accept(_submit(live, source, receiver), source)
            moment(live, receiver, list(books.accepted))
            server.kill()
            server.start()
        books.close(live, folder)
        _wait_until_told(live, len(books.accepted))
        books.faults += _untold(live, receiver, _secret(server), books)
    return books


def kill_at_moments(folder: Path, kills: int) -> Books:
    """Kill at random moments around the ends of jobs."""
    rng = random.Random(kills)
    return kill_while_telling(folder, [_after(rng.uniform(0, 2.5)) for _ in range(kills)])


def _after(seconds: float) -> Moment:
    def wait(live: Live, _: Receiver, job_ids: list[str]) -> None:
        if seconds < 1:
            ended(live, _, job_ids)
            time.sleep(seconds / 100)
        else:
            time.sleep(seconds)

    return wait


def ended(live: Live, _: Receiver, job_ids: list[str]) -> None:
    """Wait until the last job's end is committed: it may or may not have been told."""
    _until(lambda: live.client.get(f"/denoise/{job_ids[-1]}").json()["status"] != "pending", 0.001)


def heard(_: Live, receiver: Receiver, job_ids: list[str]) -> None:
    """Wait until the last job's end was told: the answer is on its way, and not noted."""
    _until(lambda: job_ids[-1] in {each.said["data"]["id"] for each in receiver.heard}, 0.001)


def _submit(live: Live, source: Path, receiver: Receiver) -> str:
    answer = live.client.post(
        "/denoise",
        files={"audio": ("a.wav", source.read_bytes())},
        data={"webhook_url": f"{receiver.url}/slow"},  # which takes a tenth of a second to answer
    )
    answer.raise_for_status()
    return str(answer.json()["jobId"])


def _wait_until_told(live: Live, jobs: int) -> None:
    def all_told() -> bool:
        found = live.client.get("/webhooks/deliveries").json()
        return len(found) >= jobs and {each["status"] for each in found} == {"delivered"}

    _until(all_told, 0.1)


def _untold(live: Live, receiver: Receiver, secret: str, books: Books) -> list[str]:
    """Return what is wrong with what was heard."""
    ids, faults = defaultdict[str, set[str]](set), []
    for each in list(receiver.heard):
        said = each.verified(secret)  # raises where the library finds it badly signed
        ids[said["data"]["id"]].add(each.id)
        if said["type"] != "denoise.success" or said["data"] != live.record(said["data"]["id"]):
            faults.append(f"{said['data']['id']}: something else was told: {said}")
    noted = {each["denoise_id"]: {each["id"]} for each in live.client.get("/webhooks/deliveries").json()}
    faults += [
        f"{job} was told as {ids[job]}, not as {noted.get(job)}" for job in books.accepted if ids[job] != noted.get(job)
    ]
    return faults + [f"{job} is nobody's, and was told" for job in ids if job not in books.accepted]


def _secret(server: ServerProcess) -> str:
    told = run("webhooks", "secret", "--user", "tester", environment=server.environment)
    return told.stdout.split()[-1]


def _until(condition: Callable[[], bool], pause_s: float) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(pause_s)

"""The delay from an event of a job in one process to a stream of another process."""

import json
import threading
import time

import anyio
from anyio import to_thread

from benchmarks.harness import Served
from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.records import Beat, Lease, Records, RunResult
from munsit_denoise.events.postgres import PostgresBell
from munsit_denoise.jobs.submit import blank_record
from munsit_denoise.records import Options, Origin

NOTES = 100  # of progress
PAUSE_S = 0.02
PAUSES = 500
DONE = 100


async def follow(web: Served, url: str) -> tuple[list[float], float]:
    """Return the delay of each progress event, and of the end, in seconds."""
    database = open_database(url)
    records, bell = Records(database), PostgresBell(url)
    user_id = await Keys(database).find_user(web.key)
    assert user_id
    lease = await records.claim((await records.insert(blank_record(user_id, Origin.MUNSIT, Options()))).id)
    assert lease
    heard = dict[int, float]()
    listener = threading.Thread(target=_listen, args=(web, lease.record.id, heard))
    listener.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bell.run_forever)
        await anyio.sleep(1)
        took_s = [await _noted(records, bell, Beat(lease, percent, None), heard) for percent in range(1, NOTES)]
        began_s = time.perf_counter()
        await _end(records, bell, lease)
        await to_thread.run_sync(listener.join)
        tasks.cancel_scope.cancel()
    await database.close()
    return took_s, heard[DONE] - began_s


async def _noted(records: Records, bell: PostgresBell, beat: Beat, heard: dict[int, float]) -> float:
    began_s = time.perf_counter()
    await records.beat([beat])
    bell.ring(beat.lease.record.id)
    for _ in range(PAUSES):
        await anyio.sleep(PAUSE_S)
        if beat.percent in heard:
            break
    return heard[beat.percent] - began_s


async def _end(records: Records, bell: PostgresBell, lease: Lease) -> None:
    await records.succeed(lease, RunResult(f"{lease.record.id}/denoised-1.wav"))
    bell.ring(lease.record.id)


def _listen(web: Served, job_id: str, heard: dict[int, float]) -> None:
    with web.client() as client, client.stream("GET", f"/denoise/{job_id}/progress") as answer:
        for text in answer.iter_lines():
            now_s = time.perf_counter()
            if text.startswith("data: "):
                heard[json.loads(text[6:]).get("pct", DONE)] = now_s

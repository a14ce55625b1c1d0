"""Three hours open as three seconds do: few bytes, and no sound before somebody listens."""

import json
import sqlite3
import struct
from pathlib import Path

import pytest

from munsit_denoise.media.tiles import MOST_BYTES
from tests.console.conftest import Visit

DURATION_S, RATE_HZ = 3 * 3600, 8_000
MOST_SOUND_BYTES = 4 * 2**20  # of 346 MB
MOST_ASKED = 60


def stretch(path: Path) -> None:
    """Make three hours of silence of a file, most of it a hole."""
    data = DURATION_S * RATE_HZ * 2
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", data + 36, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16, b"data", data
    )
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + data)


def make_long(visit: Visit, noisy_wav: Path) -> str:
    """Return the id of a job whose sounds have become long."""
    job_id = visit.live.upload(noisy_wav, "three hours.wav", visit.client)
    visit.live.events(job_id, visit.client)
    for path in visit.live.files():
        if job_id in path.parts and not path.name.startswith("tiles"):
            stretch(path)
    with sqlite3.connect(visit.live.settings.database_path) as database:
        (track,) = database.execute("SELECT track FROM denoise_records WHERE id = ?", (job_id,)).fetchone()
        changed = json.dumps(json.loads(track) | {"duration_s": DURATION_S, "sample_rate_hz": RATE_HZ})
        values = (DURATION_S, changed, job_id)
        database.execute("UPDATE denoise_records SET audio_duration = ?, track = ? WHERE id = ?", values)
    database.close()
    return job_id


def test_three_hours_open_with_few_bytes_and_play(visit: Visit, noisy_wav: Path) -> None:
    job_id = make_long(visit, noisy_wav)
    visit.compare(job_id)
    before = len(visit.asked)
    assert visit.transport("return t.durationS;") == pytest.approx(DURATION_S)
    assert visit.transport("return Boolean(t.player.buffers);") is False
    assert before < MOST_ASKED
    got = "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.transferSize, 0)"
    assert visit.page.evaluate(got) < MOST_BYTES + MOST_SOUND_BYTES
    visit.page.click(".player .big")
    visit.until(lambda: visit.transport("return t.positionS;") > 0.3)
    visit.page.keyboard.press("a")
    apart = "return Math.max(...t.player.all.map((one) => Math.abs(one.currentTime - t.positionS)));"
    visit.until(lambda: visit.transport(apart) < 0.02)
    visit.transport("t.seek(9000);")
    visit.until(lambda: visit.transport("return t.positionS;") > 9000.2)
    visit.page.keyboard.press("r")
    visit.transport("t.seek(1);")
    visit.until(lambda: 1.2 < visit.transport("return t.positionS;") < 60)
    assert visit.transport("return t.version;") == "residual"
    assert not visit.errors

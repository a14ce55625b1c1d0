"""Pages to the byte: what `json` would write, whatever the record says."""

import json
from typing import Any

import pytest

from munsit_denoise.jobs.pipeline import EXTRACTING, REDUCING
from munsit_denoise.records import (
    CANCELLED,
    DELETED,
    HISTORY_COLUMNS,
    Done,
    Downloading,
    Event,
    Failed,
    Processing,
    Queued,
)
from munsit_denoise.routes.language import Wording
from munsit_denoise.routes.munsit.wire import entries, frame, timestamp
from tests.db.test_records import make_record

BASE = "https://denoise.example:8443"
ROW: dict[str, Any] = {
    "id": "5b1d2f7e-0000-4000-8000-000000000001",
    "user_id": "u",
    "transaction_id": None,
    "secret": "0f",
    "result_key": "k",
    "extension": "mp4",
    "deleted_at": None,
    "file_name": "a.mkv",
    "audio_format": "mkv",
    "audio_duration": 61.5,
    "audio_size": 984_000,
    "source_type": "video",
    "status": "success",
    "error": None,
    "created_at": 1_778_580_842_000_999,
    "updated_at": 1_778_580_843_040_000,
}
ALL_CHARACTERS = "".join(chr(code) for code in range(1, 0x2100)) + "\u2028\u2029\ufeff\uffff🎙"


def page(**change: Any) -> bytes:
    return entries(BASE)([[(ROW | change)[name] for name in HISTORY_COLUMNS]])


def test_a_record_to_the_byte() -> None:
    assert page() == (
        b'[{"id":"5b1d2f7e-0000-4000-8000-000000000001","user_id":"u","transaction_id":null,'
        b'"audio_url":"https://denoise.example:8443/denoising/u/0f_denoised.mp4",'
        b'"original_audio_url":"https://denoise.example:8443/denoising/u/0f_original.mkv",'
        b'"file_name":"a.mkv","audio_duration":61.5,"audio_size":984000,"audio_format":"mkv","source_type":"video",'
        b'"status":"success","error":null,"created_at":"2026-05-12T10:14:02.000Z",'
        b'"updated_at":"2026-05-12T10:14:03.040Z"}]'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"file_name": ALL_CHARACTERS, "error": ALL_CHARACTERS, "transaction_id": '"\\/'},
        *({"audio_duration": duration} for duration in (0.0, 2.0, 1e-05, 0.000104, 0.1, 899.999999, 1e16, 1.5e22)),
        {"audio_size": 2**63 - 1},
    ],
)
def test_every_value_is_written_as_json_writes_it(change: dict[str, Any]) -> None:
    written = page(**change)
    told = json.loads(written)
    assert written == json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    assert {name: told[0][name] for name in change} == change


@pytest.mark.parametrize("change", [{"result_key": None}, {"deleted_at": 1}])
def test_without_a_result_there_is_no_url(change: dict[str, Any]) -> None:
    assert json.loads(page(**change))[0]["audio_url"] is None


def test_no_record_is_an_empty_array() -> None:
    assert entries(BASE)([]) == b"[]"


@pytest.mark.parametrize(
    ("time_us", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_709_164_799_999_999, "2024-02-28T23:59:59.999Z"),
        (1_709_164_800_001_000, "2024-02-29T00:00:00.001Z"),
        (4_102_444_800_000_000, "2100-01-01T00:00:00.000Z"),
    ],
)
def test_times(time_us: int, written: str) -> None:
    assert timestamp(time_us) == written


@pytest.mark.parametrize(
    ("event", "written"),
    [
        (Downloading(), '{"stage":"processing","pct":0,"message":"Downloading the recording"}'),
        (Queued(3), '{"stage":"processing","pct":0,"message":"Waiting in the queue"}'),
        (Processing(15, "Extracting audio"), '{"stage":"processing","pct":15,"message":"Extracting audio"}'),
        (Processing(15), '{"stage":"processing","pct":15}'),
        (Failed('غير "ممكن"\n'), '{"stage":"error","message":"غير \\"ممكن\\"\\n"}'),
        (
            Done(make_record("u")),
            '{"stage":"done","url":"https://denoise.example:8443/denoising/u/00000000000000000000000000000000_denoised.None",'
            '"denoiseId":"00000000-0000-4000-8000-000000000000"}',
        ),
    ],
)
def test_a_frame_is_one_line_and_a_blank_one(event: Event, written: str) -> None:
    assert frame(event, BASE) == f"data: {written}\n\n".encode()


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Downloading(), "تنزيل التسجيل"),
        (Queued(3), "في قائمة الانتظار"),
        (Processing(15, "Extracting audio"), "استخراج الصوت"),
        (Failed("The job was cancelled."), "أُلغيت المهمة."),
        (Failed("What an older version said."), "What an older version said."),
    ],
)
def test_a_frame_in_arabic(event: Event, told: str) -> None:
    assert json.loads(frame(event, BASE, Wording("ar", fixed_too=True))[6:])["message"] == told


def test_whole_seconds_are_told_alike_however_the_database_returned_them() -> None:
    """SQLite returns an integer for a whole number in a row that was just changed."""
    assert page(audio_duration=600) == page(audio_duration=600.0)


@pytest.mark.parametrize(
    "event",
    [Processing(15, EXTRACTING), Processing(60, REDUCING), Failed(DELETED), Failed(CANCELLED)],
)
def test_words_of_the_reference_stay_as_they_are(event: Event) -> None:
    assert frame(event, BASE, Wording("ar")) == frame(event, BASE)


def test_the_reason_of_a_failed_job_in_arabic() -> None:
    row = [(ROW | {"status": "failed", "error": "The job was cancelled."})[name] for name in HISTORY_COLUMNS]
    assert json.loads(entries(BASE, Wording("ar", fixed_too=True))([row]))[0]["error"] == "أُلغيت المهمة."

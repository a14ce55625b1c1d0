"""Answers in Arabic for who prefers it, but for the words that a reference fixes."""

import json
import re

import httpx2
import pytest

from munsit_denoise.records import CANCELLED
from tests.live import Live
from tests.routes.test_scopes import pending_job

ARABIC = {"accept-language": "ar-EG,ar;q=0.9,en;q=0.5"}
ALL = ARABIC | {"prefer": "respond-async, translation"}
LETTER = re.compile("[\u0621-\u064a]")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/denoise?"),
        ("GET", "/api/v1/denoise?offset=-1"),
        ("GET", "/api/v1/denoise/none"),
        ("GET", "/api/v1/denoise/none/progress"),
    ],
)
def test_words_of_the_reference_are_the_same_in_every_language(live: Live, method: str, path: str) -> None:
    plain = live.client.request(method, live.url + path)
    arabic = live.client.request(method, live.url + path, headers=ARABIC)
    assert plain.status_code >= 400
    assert (arabic.status_code, arabic.content) == (plain.status_code, plain.content)
    assert "content-language" not in arabic.headers


def test_a_wrong_key_is_told_in_the_words_of_the_reference(live: Live) -> None:
    answer = httpx2.get(live.url + "/api/v1/denoise", headers=ARABIC | {"x-api-key": "none"})
    assert answer.text == '{"errorCode":"40101","errorMessage":"Invalid or missing API key"}'


def test_who_asks_for_all_is_told_the_words_of_the_reference_in_arabic_too(live: Live) -> None:
    for path in ("?offset=-1", "/none"):
        answer = live.client.get(f"/denoise{path}", headers=ALL)
        assert LETTER.search(answer.json().get("errorMessage") or answer.json()["message"])
        assert answer.headers["content-language"] == "ar"
    english = live.client.get("/denoise?offset=-1", headers={"prefer": "translation"})
    assert english.json()["errorMessage"] == "offset must be a non-negative number"


def test_why_a_job_failed_is_told_in_arabic_to_who_asks_and_as_ever_to_all_others(live: Live) -> None:
    job_id = "22222222-0000-4000-8000-000000000000"
    pending_job(live, job_id)
    assert live.client.post(f"/denoise/{job_id}/cancel", headers=ARABIC).json()["error"] == CANCELLED
    cancelled = live.client.post(f"/denoise/{job_id}/cancel", headers=ALL).json()
    audo = f"{live.url}/v1/remove-noise/{job_id}/status"
    for headers, reason in (({}, CANCELLED), (ALL, cancelled["error"])):
        answers = [
            live.client.get(path, headers=headers)
            for path in (f"/denoise/{job_id}", "/denoise?limit=1", "/denoise", f"/denoise/{job_id}/progress", audo)
        ]
        record, page, whole, events, state = answers
        assert [record.json()["error"], page.json()[0]["error"], whole.json()[0]["error"]] == [reason] * 3
        assert (json.loads(events.text[6:])["message"], state.json()["reason"]) == (reason, reason)
        assert {answer.headers.get("content-language") for answer in answers} == ({"ar"} if headers else {None})
    assert cancelled["error"] == "أُلغيت المهمة."
    live.client.delete(f"/denoise/{job_id}")


def test_other_sentences_are_arabic_and_name_the_field_first(live: Live) -> None:
    answer = live.client.post("/denoise", data={"strength": "7"}, files={"audio": b"0"}, headers=ARABIC)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "40001"
    assert answer.json()["errorMessage"].startswith("strength: يجب")
    assert (answer.headers["content-language"], answer.headers["vary"]) == ("ar", "Accept-Language")


def test_the_router_and_the_other_dialect_are_told_in_arabic_too(live: Live) -> None:
    missing = live.client.get("/nothing", headers=ARABIC)
    assert (missing.status_code, missing.json()["errorMessage"]) == (404, "غير موجود")
    refused = live.client.put("/denoise", headers=ARABIC)
    assert refused.status_code == 405
    assert LETTER.search(refused.json()["errorMessage"])
    job = live.client.post(
        live.url + "/v1/remove-noise", json={"input": "x", "noiseReductionAmount": 0}, headers=ARABIC
    )
    assert LETTER.search(job.json()["detail"])


def test_english_answers_say_nothing_of_languages(live: Live) -> None:
    answer = live.client.get("/nothing", headers={"accept-language": "en-GB"})
    assert answer.json()["errorMessage"] == "Not Found"
    assert "content-language" not in answer.headers

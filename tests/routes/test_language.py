"""Answers in Arabic for who prefers it, but for the words that a reference fixes."""

import re

import httpx
import pytest

from tests.live import Live

ARABIC = {"accept-language": "ar-EG,ar;q=0.9,en;q=0.5"}
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
    answer = httpx.get(live.url + "/api/v1/denoise", headers=ARABIC | {"x-api-key": "none"})
    assert answer.text == '{"errorCode":"40101","errorMessage":"Invalid or missing API key"}'


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

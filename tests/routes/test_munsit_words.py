"""What a value of a submission's field means, in a form and in JSON: read alone, without a server."""

import json
from typing import Any

import pytest

from munsit_denoise.errors import InvalidOption, MissingFile
from munsit_denoise.jobs.qualities import Qualities
from munsit_denoise.records import Options
from munsit_denoise.routes.munsit.options import Fields, read_json
from munsit_denoise.treatment import TRANSCRIPTION_STRENGTH, Keep, Quality

BASE = "https://denoise.example"
WRONG = [
    *(("strength", text) for text in ("-0.1", "1.1", "nan", "inf", "1e999", "1,5", "0x1", "1_0", "٠", "full", "--1")),
    *(("loudness", text) for text in ("-70.5", "0.1", "-inf", "quiet", "NaN", "-16 LUFS")),
    *(("quality", text) for text in ("better", "Best", "1", "standard,best")),
    *(("keep", text) for text in ("music", "Voice", "voice music", "voice,music", "all", "dry", "dry voice")),
    *(("audio_track", text) for text in ("-1", "1.5", "1e0", "first", "1000000", "9" * 400, "+1", "²")),
    *(("output_format", text) for text in ("exe", "wav mp3", "../wav", "x" * 500)),
    *(
        ("webhook_url", text)
        for text in ("ftp://h/", "h/x", "http://", "http://h:99999/", "http://a b/", "http://h\n/")
    ),
    *(("url", text) for text in ("file:///etc/passwd", "x", "https:///a", "http://h:0/", "http://h/" + "a" * 5000)),
]
RIGHT = [
    ("strength", "0", {"strength": 0.0}),
    ("strength", " .5 ", {"strength": 0.5}),
    ("strength", "5e-1", {"strength": 0.5}),
    ("strength", "transcription", {"strength": TRANSCRIPTION_STRENGTH}),
    ("strength", "", {}),
    ("loudness", "-16", {"level_lufs": -16.0}),
    ("loudness", "-0", {"level_lufs": 0.0}),
    ("output_format", "FLAC", {"extension": "flac"}),
    ("output_format", ".mp3", {"extension": "mp3"}),
    ("output_format", "original", {"extension": None}),
    ("quality", "best", {"quality": Quality.BEST}),
    ("quality", "standard", {}),
    ("quality", "", {}),
    ("keep", "voice+music", {"keep": Keep.VOICE_AND_MUSIC}),
    ("keep", "dry-voice", {"keep": Keep.DRY_VOICE}),
    ("keep", "voice", {}),
    ("keep", "", {}),
    ("audio_track", "0", {}),
    ("audio_track", "7", {"audio_track": 7}),
    ("webhook_url", "http://u:p@h:8080/a?b#c", {"webhook_url": "http://u:p@h:8080/a?b#c", "webhook_base": BASE}),
]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_a_value_out_of_range_is_told_with_the_name_of_its_field(name: str, text: str) -> None:
    with pytest.raises(InvalidOption) as form:
        Fields().take(name, text)
    with pytest.raises(InvalidOption) as object_:
        read_json(json.dumps({name: text}).encode())
    assert form.value.message.startswith(f"{name} ")
    assert object_.value.message == form.value.message


@pytest.mark.parametrize(("name", "text", "wanted"), RIGHT)
def test_a_value_in_range_is_an_option(name: str, text: str, wanted: dict[str, Any]) -> None:
    fields = Fields()
    fields.take(name, text)
    assert fields.options(BASE) == Options(**{"extension": "wav"} | wanted)


def test_the_usual_quality_is_what_a_job_gets_that_asks_for_none() -> None:
    best_is_usual = Qualities(usual=Quality.BEST)
    for text, wanted in (("", Quality.BEST), ("best", Quality.BEST), ("standard", Quality.STANDARD)):
        fields = Fields(best_is_usual)
        fields.take("quality", text)
        assert best_is_usual.settled(fields.options(BASE)).quality is wanted


def test_best_is_refused_where_it_is_not_installed_with_what_to_install() -> None:
    for take in (
        lambda: Fields(Qualities(has_best=False)).take("quality", "best"),
        lambda: read_json(b'{"quality": "best"}', Qualities(has_best=False)),
    ):
        with pytest.raises(InvalidOption, match=r"^quality.* pip install 'munsit-denoise\[best\]'"):
            take()


@pytest.mark.parametrize(
    ("value", "strength"), [(0.25, 0.25), ("0.25", 0.25), (1, 1.0), (0, 0.0), (None, 1.0), ("", 1.0)]
)
def test_json_may_have_numbers_and_what_looks_like_one(value: Any, strength: float) -> None:
    fields = read_json(json.dumps({"url": "http://h/a.wav", "strength": value, "unknown": [1]}).encode())
    assert (fields.url, fields.options(BASE).strength) == ("http://h/a.wav", strength)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strength", True),
        ("strength", [1]),
        ("strength", {}),
        ("strength", float("nan")),
        ("strength", 10**400),
        ("loudness", False),
        ("audio_track", 1.5),
        ("audio_track", -1),
        ("output_format", 3),
        ("output_format", ["wav"]),
        ("webhook_url", True),
        ("webhook_url", "http://h/\ud800"),
        ("url", 1),
        ("url", {"href": "http://h/"}),
        ("upload_id", 7),
        ("upload_id", []),
    ],
)
def test_json_of_a_wrong_type_is_told_with_the_name_of_its_field(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption) as error:
        read_json(json.dumps({name: value}).encode())
    assert error.value.message.startswith(f"{name} ")


@pytest.mark.parametrize("body", ['{"strength": 1, "strength": 1}', '{"upload_id": "a", "upload_id": "b"}'])
def test_what_is_given_twice_is_told(body: str) -> None:
    with pytest.raises(InvalidOption, match=r"^(strength|upload_id) must be given once"):
        read_json(body.encode())


@pytest.mark.parametrize("body", ["", "x", "[]", "1", "{}", '{"audio": "x"}', '{"url": null}', "--b\r\n"])
def test_json_that_asks_for_nothing_of_it_has_no_file(body: str) -> None:
    with pytest.raises(MissingFile):
        read_json(body.encode())


@pytest.mark.parametrize(
    "body", ["{", '{"url": }', '{"a":' * 100_000, '{"strength": 1}', '{"url": "http://h/a", "upload_id": "a"}']
)
def test_json_with_no_source_or_two_is_told(body: str) -> None:
    with pytest.raises(InvalidOption):
        read_json(body.encode())


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b" \r\n\t"])
def test_blanks_before_an_object_are_none_of_it(prefix: bytes) -> None:
    assert read_json(prefix + b'{"upload_id": "a"}').upload_id == "a"

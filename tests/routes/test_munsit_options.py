"""What a submission may ask for, in a form and in JSON: a test a sentence of the contract."""

import json
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from munsit_denoise.errors import InvalidOption, MissingFile
from munsit_denoise.jobs.qualities import Qualities
from munsit_denoise.records import Options
from munsit_denoise.routes.munsit.options import Fields, read_json
from munsit_denoise.treatment import TRANSCRIPTION_STRENGTH, Keep, Quality
from tests.audio import write_noisy
from tests.live import Live
from tests.peers import Peer

BASE = "https://denoise.example"
MISSING = "audio is required and must be a file"
WRONG = [
    *(("strength", text) for text in ("-0.1", "1.1", "nan", "inf", "1e999", "1,5", "0x1", "1_0", "٠", "full", "--1")),
    *(("loudness", text) for text in ("-70.5", "0.1", "-inf", "quiet", "NaN", "-16 LUFS")),
    *(("quality", text) for text in ("better", "Best", "1", "standard,best")),
    *(("keep", text) for text in ("music", "Voice", "voice music", "voice,music", "all")),
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
    ("keep", "voice", {}),
    ("keep", "", {}),
    ("audio_track", "0", {}),
    ("audio_track", "7", {"audio_track": 7}),
    ("webhook_url", "http://u:p@h:8080/a?b#c", {"webhook_url": "http://u:p@h:8080/a?b#c", "webhook_base": BASE}),
]


class TestWords:
    @pytest.mark.parametrize(("name", "text"), WRONG)
    def test_a_value_out_of_range_is_told_with_the_name_of_its_field(self, name: str, text: str) -> None:
        with pytest.raises(InvalidOption) as form:
            Fields().take(name, text)
        with pytest.raises(InvalidOption) as object_:
            read_json(json.dumps({name: text}).encode())
        assert form.value.message.startswith(f"{name} ")
        assert object_.value.message == form.value.message

    @pytest.mark.parametrize(("name", "text", "wanted"), RIGHT)
    def test_a_value_in_range_is_an_option(self, name: str, text: str, wanted: dict[str, Any]) -> None:
        fields = Fields()
        fields.take(name, text)
        assert fields.options(BASE) == Options(**{"extension": "wav"} | wanted)

    def test_the_usual_quality_is_what_a_job_gets_that_asks_for_none(self) -> None:
        best_is_usual = Qualities(usual=Quality.BEST)
        for text, wanted in (("", Quality.BEST), ("best", Quality.BEST), ("standard", Quality.STANDARD)):
            fields = Fields(best_is_usual)
            fields.take("quality", text)
            assert best_is_usual.settled(fields.options(BASE)).quality is wanted

    def test_best_is_refused_where_it_is_not_installed_with_what_to_install(self) -> None:
        for take in (
            lambda: Fields(Qualities(has_best=False)).take("quality", "best"),
            lambda: read_json(b'{"quality": "best"}', Qualities(has_best=False)),
        ):
            with pytest.raises(InvalidOption, match=r"^quality.* pip install 'munsit-denoise\[best\]'"):
                take()

    @pytest.mark.parametrize(
        ("value", "strength"), [(0.25, 0.25), ("0.25", 0.25), (1, 1.0), (0, 0.0), (None, 1.0), ("", 1.0)]
    )
    def test_json_may_have_numbers_and_what_looks_like_one(self, value: Any, strength: float) -> None:
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
    def test_json_of_a_wrong_type_is_told_with_the_name_of_its_field(self, name: str, value: Any) -> None:
        with pytest.raises(InvalidOption) as error:
            read_json(json.dumps({name: value}).encode())
        assert error.value.message.startswith(f"{name} ")

    @pytest.mark.parametrize("body", ['{"strength": 1, "strength": 1}', '{"upload_id": "a", "upload_id": "b"}'])
    def test_what_is_given_twice_is_told(self, body: str) -> None:
        with pytest.raises(InvalidOption, match=r"^(strength|upload_id) must be given once"):
            read_json(body.encode())

    @pytest.mark.parametrize("body", ["", "x", "[]", "1", "{}", '{"audio": "x"}', '{"url": null}', "--b\r\n"])
    def test_json_that_asks_for_nothing_of_it_has_no_file(self, body: str) -> None:
        with pytest.raises(MissingFile):
            read_json(body.encode())

    @pytest.mark.parametrize(
        "body", ["{", '{"url": }', '{"a":' * 100_000, '{"strength": 1}', '{"url": "http://h/a", "upload_id": "a"}']
    )
    def test_json_with_no_source_or_two_is_told(self, body: str) -> None:
        with pytest.raises(InvalidOption):
            read_json(body.encode())

    @pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b" \r\n\t"])
    def test_blanks_before_an_object_are_none_of_it(self, prefix: bytes) -> None:
        assert read_json(prefix + b'{"upload_id": "a"}').upload_id == "a"


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("options") / "a.wav", 0.3, 8_000)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with two audio tracks that differ in all that a record says of one."""
    path = tmp_path_factory.mktemp("options") / "film.mkv"
    inputs = ["testsrc=d=0.4:s=32x32:r=10", "sine=330:d=0.4:r=16000", "sine=660:d=0.8:r=8000"]
    sources = [word for source in inputs for word in ("-f", "lavfi", "-i", source)]
    words = ["-map", "0", "-map", "1", "-map", "2", "-c:a", "flac", "-metadata:s:a:1", "language=ara"]
    subprocess.run(["ffmpeg", "-v", "error", *sources, *words, "-y", path], check=True)
    return path


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[httpx.Client]:
    """A client of a user of its own, whose list is empty at first."""
    with server.client_for("options") as client:
        yield client


def send(client: httpx.Client, path: Path, *before: tuple[str, str], after: dict[str, str] | None = None) -> Any:
    """Send a form whose fields stand before the file, and after it."""
    parts = [(name, (None, text.encode())) for name, text in before]
    parts += [("audio", (path.name, path.read_bytes()))]
    parts += [(name, (None, text.encode())) for name, text in (after or {}).items()]
    return client.post("/denoise", files=parts)


def result(server: Live, client: httpx.Client, job_id: str) -> tuple[str, httpx.Response]:
    """Follow a job to its end; return the URL of what came of it, and that."""
    last = server.events(job_id, client)[-1]
    assert last["stage"] == "done", last
    return last["url"], httpx.get(last["url"])


class TestForm:
    def test_options_count_before_the_file_and_after_it(
        self, server: Live, client: httpx.Client, wav: Path, tmp_path: Path
    ) -> None:
        answer = send(client, wav, ("strength", "0"), ("notes", "x"), after={"output_format": "flac", "loudness": ""})
        assert answer.status_code == 200, answer.text
        assert answer.json() == dict.fromkeys(("jobId", "denoiseId"), answer.json()["jobId"])
        url, file = result(server, client, answer.json()["jobId"])
        assert url.endswith(".flac")
        (tmp_path / "a.flac").write_bytes(file.content)
        assert (soundfile.read(tmp_path / "a.flac")[0] == soundfile.read(wav)[0]).all()  # no reduction at all

    def test_the_source_s_own_format_comes_out_where_it_can_be_written(
        self, server: Live, client: httpx.Client, film: Path
    ) -> None:
        answer = send(client, film, after={"output_format": "original"})
        url, file = result(server, client, answer.json()["jobId"])
        assert (url.rpartition(".")[2], file.headers["content-type"]) == ("mkv", "video/x-matroska")

    def test_the_track_that_is_asked_for_is_the_one_of_the_record(
        self, server: Live, client: httpx.Client, film: Path, tmp_path: Path
    ) -> None:
        job_id = send(client, film, ("audio_track", "1")).json()["jobId"]
        record = next(each for each in client.get("/denoise").json() if each["id"] == job_id)
        assert record["audio_duration"] == pytest.approx(0.8, abs=0.05)
        (tmp_path / "a.wav").write_bytes(result(server, client, job_id)[1].content)
        info = soundfile.info(tmp_path / "a.wav")
        assert (info.samplerate, info.duration) == (8_000, pytest.approx(0.8, abs=0.05))

    def test_a_track_that_is_not_there_is_a_400_that_names_those_that_are(self, server: Live, film: Path) -> None:
        with server.client_for("tracks") as client:
            answer = send(client, film, after={"audio_track": "2"})
            assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
            told = answer.json()["errorMessage"]
            assert told.startswith("audio_track 2 is not in the file. Its tracks are 0: flac, 1 channels; 1: ara, flac")
            assert client.get("/denoise").json() == []

    @pytest.mark.parametrize(
        ("before", "after", "name"),
        [
            ([("strength", "2")], {}, "strength"),
            ([], {"loudness": "loud"}, "loudness"),
            ([("strength", "1"), ("strength", "1")], {}, "strength"),
            ([("strength", "1")], {"strength": "0.5"}, "strength"),
            ([("url", "http://h/a.wav")], {}, "url"),
            ([], {"url": "http://h/a.wav"}, "url"),
            ([], {"audio_track": "999999"}, "audio_track 999999 is not in the file. Its tracks are 0: "),
            ([("webhook_url", "x" * 20_000)], {}, "webhook_url"),
            ([], {"output_format": "mxf"}, "output_format"),  # which cannot hold sound alone
            ([], {"audio_track": "1"}, "audio_track"),
        ],
    )
    def test_a_wrong_field_is_a_400_that_begins_with_its_name_and_leaves_nothing(
        self, server: Live, wav: Path, before: Any, after: dict[str, str], name: str
    ) -> None:
        with server.client_for("wrong") as client:
            files = len(server.files())
            answer = send(client, wav, *before, after=after)
            assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
            assert answer.json()["errorMessage"].startswith(name)
            assert client.get("/denoise").json() == []
            assert len(server.files()) <= files

    def test_text_that_is_no_utf_8_is_told(self, client: httpx.Client, wav: Path) -> None:
        answer = client.post("/denoise", files=[("strength", (None, b"\xff")), ("audio", wav.read_bytes())])
        assert answer.json()["errorMessage"].startswith("strength must be text")

    def test_a_form_with_neither_file_nor_url_has_no_file(self, client: httpx.Client) -> None:
        answer = client.post("/denoise", files=[("strength", (None, b"1"))])
        assert (answer.status_code, answer.json()["errorMessage"]) == (400, MISSING)

    def test_a_wrong_field_is_answered_before_the_file_is_sent_and_the_connection_goes_on(self, server: Live) -> None:
        field = b'--b\r\ncontent-disposition: form-data; name="strength"\r\n\r\n7\r\n'
        file = b'--b\r\ncontent-disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
        head = f"POST /api/v1/denoise HTTP/1.1\r\nhost: x\r\nx-api-key: {server.key}\r\n"
        head += "content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n"
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(head.encode() + field + file)
            answer = connection.recv(4096)
            while not answer.endswith(b"}") and (more := connection.recv(4096)):  # the body may come later
                answer += more
            assert answer.startswith(b"HTTP/1.1 400")
            assert b"strength must be" in answer
            connection.sendall(bytes(1_000_000 - len(field + file)))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


class TestUrlsAndUploads:
    def test_a_form_may_have_a_url_in_place_of_the_file(self, server: Live, client: httpx.Client, peer: Peer) -> None:
        parts = [("url", (None, f"{peer.url}/speech.wav".encode())), ("audio", ("", b""))]  # a browser's empty field
        answer = client.post("/denoise", files=parts)
        assert answer.status_code == 200, answer.text
        record = next(each for each in client.get("/denoise").json() if each["id"] == answer.json()["jobId"])
        assert (record["file_name"], record["audio_format"]) == ("speech.wav", "wav")
        assert result(server, client, record["id"])[0].endswith(".wav")

    @pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
    def test_json_may_name_a_url(self, server: Live, client: httpx.Client, peer: Peer, content_type: str) -> None:
        body = json.dumps({"url": f"{peer.url}/speech.wav", "output_format": "original", "strength": "0.5"})
        answer = client.post("/denoise", content=body, headers={"content-type": content_type})
        assert answer.status_code == 200, answer.text
        assert result(server, client, answer.json()["jobId"])[0].endswith(".wav")

    def test_a_url_without_the_track_ends_with_the_sentence_that_names_them(
        self, server: Live, client: httpx.Client, peer: Peer
    ) -> None:
        answer = client.post("/denoise", json={"url": f"{peer.url}/speech.wav", "audio_track": 3})
        told = server.events(answer.json()["jobId"], client)[-1]
        assert told["stage"] == "error"
        assert told["message"].startswith("audio_track 3 is not in the file. Its tracks are 0: pcm_s16le, 1 channels")

    def test_json_may_name_an_upload_whose_track_counts(self, server: Live, client: httpx.Client, film: Path) -> None:
        headers = {"x-api-key": client.headers["x-api-key"]}
        files = {"file": (film.name, film.read_bytes())}
        upload_id = httpx.post(f"{server.url}/v1/upload", files=files, headers=headers).json()["fileId"]
        answer = client.post("/denoise", json={"upload_id": upload_id, "audio_track": 1})
        assert answer.status_code == 200, answer.text
        record = next(each for each in client.get("/denoise").json() if each["id"] == answer.json()["jobId"])
        assert record["audio_duration"] == pytest.approx(0.8, abs=0.05)
        assert result(server, client, record["id"])[0].endswith(".wav")
        wrong = client.post("/denoise", json={"upload_id": upload_id, "audio_track": 9})
        assert (wrong.status_code, wrong.json()["errorMessage"][:13]) == (400, "audio_track 9")

    @pytest.mark.parametrize("upload_id", ["0" * 8, "3f0c2f3c-8ad2-4a3c-9e1b-3a4a3b2c1d0e", "\ud800", "a\x00", "../x"])
    def test_an_upload_that_nobody_has_is_a_404(self, client: httpx.Client, upload_id: str) -> None:
        body = json.dumps({"upload_id": upload_id})
        answer = client.post("/denoise", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["errorCode"]) == (404, "40402")

    def test_json_is_bounded(self, client: httpx.Client) -> None:
        answer = client.post("/denoise", json={"url": "http://h/a.wav", "notes": "x" * 100_000})
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")

    def test_what_a_webhook_is_told_has_the_base_by_which_the_job_came(
        self, server: Live, client: httpx.Client
    ) -> None:
        body = {"url": "http://127.0.0.1:1/a.wav", "webhook_url": "http://127.0.0.1:1/hook"}
        answer = client.post("/denoise", json=body)
        assert answer.status_code == 200
        with sqlite3.connect(server.settings.database_path) as database:
            row = database.execute(
                "SELECT webhook_url, webhook_base, origin FROM denoise_records WHERE id = ?", [answer.json()["jobId"]]
            ).fetchone()
        assert row == ("http://127.0.0.1:1/hook", server.url, "munsit")

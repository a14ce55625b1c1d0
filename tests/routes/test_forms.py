"""Forms in the bytes that clients send, whole and in pieces: the file, its name, and a sentence for what is none."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from munsit_denoise.errors import FileTooLarge, InvalidUpload, MissingFile
from munsit_denoise.jobs.intake import Received, UploadLimits
from munsit_denoise.routes.multipart import FormReader, Part
from munsit_denoise.routes.uploads import CUT_OFF, NO_PART, TOO_MUCH, receive_file

DATA = b"RIFF\r\n--bo\r\n\n--b\x00\xff\r\r\n-"  # holds what almost is a boundary
DISPOSITION = b'Content-Disposition: form-data; name="audio"; filename="a.wav"\r\n'
SERVICES = SimpleNamespace(admission=SimpleNamespace(stopping=False))


def form(*parts: bytes, boundary: bytes = b"bound") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def receive(
    folder: Path, body: bytes, content_type: str = "multipart/form-data; boundary=bound", pieces: Sequence[int] = ()
) -> tuple[Received, bytes]:
    """Return what becomes of a body that comes in pieces of these sizes, then the rest."""
    cuts, chunks = [0, *pieces], []
    for size in cuts:
        chunks.append(body[:size])
        body = body[size:]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": body, "more_body": False})

    async def next_message() -> dict[str, object]:
        return messages.pop(0)

    headers = [(b"content-type", content_type.encode("latin-1"))]
    request = Request({"type": "http", "headers": headers, "state": {"services": SERVICES}}, next_message)
    path = folder / "received"
    received = anyio.run(receive_file, request, path, ("audio", "file"), UploadLimits(1, 0, 0, 0, 0))
    return received, path.read_bytes()


# ruff: noqa: E501 - a line of these is one of the form
# The clients' own bytes: what stands before the file, and after it.
CLIENTS = {
    ".NET": (
        b'--bound\r\nContent-Type: audio/wav\r\nContent-Disposition: form-data; name=audio; filename="=?utf-8?B?2YUud2F2'
        b"?=\"; filename*=utf-8''%D9%85.wav\r\n\r\n",
        b"\r\n--bound--\r\n",
        "م.wav",
    ),
    "OkHttp": (
        '--bound\r\nContent-Disposition: form-data; name="audio"; filename="م %22x%22.wav"\r\n'
        "Content-Type: audio/wav\r\nContent-Length: 24\r\n\r\n".encode(),
        b"\r\n--bound--\r\n",
        'م "x".wav',
    ),
    "URLSession": (
        b'\r\n--bound\r\nContent-Disposition: form-data; name="audio"; filename="rec.m4a"\r\nContent-Type: audio/m4a\r\n\r\n',
        b"\r\n--bound--",
        "rec.m4a",
    ),
    "PHP": (
        '--bound\r\nContent-Disposition: form-data; name="audio"; filename="a \\"م\\".wav"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode(),
        b"\r\n--bound--\r\n",
        'a "م".wav',
    ),
    "PHP array": (
        b'--bound\r\nContent-Disposition: form-data; name="audio[]"; filename="a.wav"\r\n\r\n',
        b"\r\n--bound--\r\n",
        "a.wav",
    ),
    "Postman": (
        b'--bound\r\nContent-Disposition: form-data; name="language"\r\n\r\nar\r\n--bound\r\nContent-Disposition: form-data; '
        b'name="audio"; filename="x.wav"; filename*=UTF-8\'\'%D9%85.wav\r\nContent-Type: audio/wav\r\n\r\n',
        b"\r\n--bound--\r\n",
        "م.wav",
    ),
    "folded": (
        b'--bound\r\nContent-Disposition: form-data;\r\n name="audio";\r\n filename="=?utf-8?B?2YU=?=\r\n =?utf-8?Q?=2Ewav?="'
        b"\r\n\r\n",
        b"\r\n--bound--\r\n",
        "م.wav",
    ),
    "LF": (
        b'--bound\nContent-Disposition: form-data; name="audio"; filename="a.wav"\nContent-Type: audio/wav\n\n',
        b"\n--bound--\n",
        "a.wav",
    ),
    "padding, before and after": (
        b"This is a form.\r\n\r\n--bound \t \r\n" + DISPOSITION + b"\r\n",
        b"\r\n--bound  \r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--bound--  \r\nThe end.\r\n--bound\r\n",
        "a.wav",
    ),
    "no name but a type": (
        b'--bound\r\nContent-Disposition: form-data; name="audio"\r\nContent-Type: audio/x-wav; rate=8000\r\n\r\n',
        b"\r\n--bound--\r\n",
        "recording.wav",
    ),
    "no name but bytes": (
        b'--bound\r\nContent-Disposition: form-data; name="audio"\r\nContent-Type: application/octet-stream\r\n\r\n',
        b"\r\n--bound--\r\n",
        "recording",
    ),
    "an empty name": (
        b'--bound\r\nContent-Disposition: form-data; name="audio"; filename=""\r\nContent-Type: audio/mpeg\r\n\r\n',
        b"\r\n--bound--\r\n",
        "recording.mp3",
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("size", [10**6, 1])
def test_the_file_and_its_name_arrive(tmp_path: Path, client: str, size: int) -> None:
    before, after, name = CLIENTS[client]
    data = DATA.replace(b"\n--bo", b"\n-bo") if client == "LF" else DATA
    body = before + data + after
    received, content = receive(tmp_path, body, pieces=[size] * (len(body) // size))
    assert (received, content) == (Received(name, len(data)), data)


@given(
    sizes=st.lists(st.integers(1, 60), max_size=30), data=st.binary(max_size=80) | st.sampled_from([DATA, b"\r\n--"])
)
@settings(max_examples=60, deadline=None)
def test_the_pieces_that_a_body_comes_in_make_no_difference(sizes: list[int], data: bytes) -> None:
    body = b"preamble\r\n" + form(DISPOSITION + b"\r\n" + data, b"x: y\r\n\r\nsecond") + b"epilogue"
    reader, parts = FormReader(b"bound"), []
    for size in [*sizes, len(body)]:
        for piece in reader.feed(body[:size]):
            if isinstance(piece, Part):
                parts.append(bytearray())
            else:
                parts[-1] += piece
        body = body[size:]
    assert (parts, reader.complete) == ([data, b"second"], True)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", MissingFile.message),
        (form(), MissingFile.message),
        (form(b'content-disposition: form-data; name="audio"\r\n\r\ntext'), MissingFile.message),
        (form(b"content-disposition: form-data; name=audio\r\ncontent-type: text/plain\r\n\r\nx"), MissingFile.message),
        (form(b'content-disposition: form-data; name="other"; filename="a.wav"\r\n\r\nx'), MissingFile.message),
        (
            form(b'content-disposition: form-data; name=audio; filename=""\r\ncontent-type: application/x\r\n\r\n'),
            MissingFile.message,
        ),
        (b"nothing of a form", NO_PART),
        (form(DISPOSITION + b"\r\nx", boundary=b"another"), NO_PART),
        (form(DISPOSITION + b"\r\nRIFF")[:-12], CUT_OFF),
        (form(DISPOSITION + b"\r\nRIFF")[:20], CUT_OFF),
        (form(DISPOSITION + b"\r\nRIFF")[:-4], CUT_OFF),
        (form(b"broken header\r\n\r\nx"), "A form part has a header that cannot be parsed."),
        (b"--bound\r\nx: " + b"y" * 30_000, "The headers of a form part are too long."),
        (b"--bound\r\n\r\nx\r\n" * 200, "The form has more than 100 parts."),
        (b"x" * 100_000 + form(DISPOSITION + b"\r\nRIFF"), TOO_MUCH),
        (form(DISPOSITION + b"\r\nRIFF") + b"x" * 100_000, TOO_MUCH),
        (form(b"content-disposition: form-data; name=notes\r\n\r\n" + b"x" * 100_000), TOO_MUCH),
    ],
)
def test_what_is_no_whole_form_is_told(tmp_path: Path, body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidUpload) as error:
        receive(tmp_path, body)
    assert str(error.value) == sentence


def test_every_file_of_a_form_counts(tmp_path: Path) -> None:
    """A file that nobody asked for is read on to no more than the limit, too."""
    other = b'content-disposition: form-data; name="cover"; filename="a.jpg"\r\n\r\n' + bytes(600_000)
    received, _ = receive(tmp_path, form(other, DISPOSITION + b"\r\nRIFF"))
    assert received.size_bytes == 4
    with pytest.raises(FileTooLarge):
        receive(tmp_path, form(other, other, DISPOSITION + b"\r\nRIFF"))


@pytest.mark.parametrize("boundary", ['"a b (c)"', "----WebKitFormBoundaryAbc", "'()+_,-./:=?"])
def test_a_boundary_may_have_all_that_the_standard_lets_it(tmp_path: Path, boundary: str) -> None:
    body = form(DISPOSITION + b"\r\nRIFF", boundary=boundary.strip('"').encode())
    assert receive(tmp_path, body, f"Multipart/Form-Data; Boundary={boundary}")[1] == b"RIFF"

"""File names in the bytes that clients write them in."""

import pytest

from munsit_denoise.names import MAX_NAME, file_name, last_component, parameters

NAMES = {
    # RFC 8187, and before `filename` wherever it stands
    b"filename*=utf-8''%D9%85%D9%82.wav; filename=x.wav": "مق.wav",
    b"filename=\"x.wav\"; filename*=UTF-8'ar'%D9%85%D9%82.wav": "مق.wav",
    b"filename*=iso-8859-1'en'%A3%20rates.wav": "£ rates.wav",
    b"filename*=\"utf-8''%D9%85.wav\"; name=audio": "م.wav",
    b"filename*=nonsense''%D9%85.wav; filename=x.wav": "x.wav",
    b"filename*=utf-8''%FF%FE.wav; filename=x.wav": "x.wav",
    b"filename*=plain.wav": "plain.wav",
    b"filename*0*=utf-8''%D9%85; filename*1=n.wav": "مn.wav",
    b'filename*0="long "; filename*1="name.wav"': "long name.wav",
    # RFC 2047, as .NET and mail libraries write it
    b'filename="=?utf-8?B?2YXZgtin2KjZhNipLndhdg==?="': "مقابلة.wav",
    b'filename="=?UTF-8?B?2YXZgtin2A==?= =?UTF-8?B?qNmE2Kkud2F2?="': "مقابلة.wav",  # cut in the middle of a letter
    b'filename="=?utf-8?Q?caf=C3=A9_1?= =?utf-8?B?LndhdiA=?="': "café 1.wav",
    b"filename==?iso-8859-6?Q?=E5=E2.wav?=": "مق.wav",
    b'filename="=?utf-8*ar?B?2YU=?=.wav"': "م.wav",
    b'filename="=?utf-8?B?not base64?=.wav"': "=?utf-8?B?not base64?=.wav",
    b'filename="a =? b.wav"': "a =? b.wav",
    # browsers (WHATWG), curl, and clients that quote as in a URL
    b'filename="%22x%22 50%20.wav"': '"x" 50%20.wav',
    b'filename="a%0D%0Ab.wav"': "a  b.wav",
    b'filename="My%20talk.wav"': "My%20talk.wav",
    b'filename="%D9%85%20%22x%22%201.wav"': 'م "x" 1.wav',
    b'filename="100%.wav"': "100%.wav",
    b'filename="a \\"b\\"; c.wav"; name=audio': 'a "b"; c.wav',
    # bytes of other encodings
    'filename="é م 🎙.wav"'.encode(): "é م 🎙.wav",
    "filename=مقابلة.wav".encode(): "مقابلة.wav",
    'filename="é’s.wav"'.encode("cp1252"): "é’s.wav",
    # paths, control characters, blanks
    b'filename="C:\\Users\\me\\a.wav"': "a.wav",
    b'filename="\\\\\\\\server\\share\\a.wav"': "a.wav",
    b'filename="../../etc/passwd"': "passwd",
    b"filename*=utf-8''..%2F..%2Fetc%2Fpasswd": "passwd",
    b'filename="a\x00b\x1b[0m.wav"': "ab[0m.wav",
    b'FileName = "x.wav" ; name = audio': "x.wav",
    b'filename=" x.wav "': "x.wav",
    b'filename="unclosed.wav': "unclosed.wav",
    b"filename=": "",
    b'filename=""': "",
    b'filename=".."': "",
    b'filename="dir/"': "",
    b"name=audio": None,
}


@pytest.mark.parametrize("written", NAMES)
def test_a_name_is_read_as_it_was_meant(written: bytes) -> None:
    _, found = parameters(b"form-data; " + written)
    assert file_name(found) == NAMES[written]


def test_a_client_that_quotes_whole_names_is_believed() -> None:
    _, found = parameters(b'form-data; filename="My%20talk.wav"')
    assert file_name(found, percent_quoted=True) == "My talk.wav"


def test_a_long_name_keeps_its_extension() -> None:
    name = last_component("x" * 5000 + ".wav")
    assert len(name) == MAX_NAME
    assert name.endswith("x.wav")


def test_what_cannot_be_stored_goes() -> None:
    assert last_component("a\ud800b.wav") == "a?b.wav"


def test_parameters_keep_to_their_quotes() -> None:
    kind, found = parameters(b'Multipart/Form-Data ; charset=x; boundary="a; b=c"; boundary=second')
    assert (kind, found) == ("multipart/form-data", {"charset": b"x", "boundary": b"a; b=c"})

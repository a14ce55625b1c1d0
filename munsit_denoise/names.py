"""Parses file names as HTTP clients write them, by RFC 6266, 7578, 8187, 2047 and 2231, and by WHATWG's forms.

Clients send bytes in any encoding, quoted in several ways. The result is the last path component, without control
characters, as text that can be stored and printed.
"""

import base64
import binascii
import quopri
import re
import unicodedata
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, unquote_to_bytes

VIDEO_EXTENSIONS = frozenset({"mp4", "mov", "mkv", "webm", "avi", "m4v"})
_NAMES = """
3g2 3ga 3gp aa3 aac aax ac3 adts adx aif aifc aiff amr ape asf ast au avs awb caf cda cdg dff dif divx dsf dss
dts dtshd dv dvf eac3 ec3 f4a f4v flac flv gsm gxf h264 htk ircam ivf kar loas m1v m2a m2t m2ts m2v m4a m4b m4p
m4r mid mj2 mjpg mka mks mlp mod mogg mp1 mp2 mp3 mpa mpc mpe mpeg mpg mpga mpp msv mts mxf nist nsv nut oga ogg
ogm ogv ogx oma omg opus qcp qt ra ram rf64 rm rmvb roq s3m sbc sf shn snd sol sox spdif sph spx swf tak thd thp
tod ts tta vob voc vox vp6 vqf w64 wav wave weba wma wmv wtv wv wve xa xmv xwma y4m
"""
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS | frozenset(_NAMES.split())  # another extension says nothing about the content
MAX_NAME = 1024  # characters that are kept of a name
PARAMETER = re.compile(rb""";\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)""", re.DOTALL)
WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bq])\?([^?]*)\?=", re.IGNORECASE)  # with RFC 2231's language
BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?[^?\s]+\?[bq]\?)", re.IGNORECASE)
CHARSETS = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-\d{3,4}|cp\d{3,4}|koi8-[ru]"
    r"|macintosh|shift_jis|euc-\w{2}|iso-2022-\w{2}|gbk?|gb\d{4,5}|big5",
    re.IGNORECASE,
)
BROWSERS_QUOTES = re.compile("%(22|0[ad])", re.IGNORECASE)  # what browsers write for a quote, LF and CR
FULLY_QUOTED = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-Fa-f]{2})+")  # percent-encoded as in a URL, completely


def parameters(value: bytes) -> tuple[str, dict[str, bytes]]:
    """Return the value before the first `;` of a header, in lower case, and its parameters, the first of each name."""
    kind, _, _ = value.partition(b";")
    found: dict[str, bytes] = {}
    for match in PARAMETER.finditer(value, len(kind)):
        found.setdefault(match[1].decode("latin-1").lower(), _unquoted(match[2].strip()))
    return kind.strip().decode("latin-1").lower(), found


def _unquoted(value: bytes) -> bytes:
    """Return a value without its quotes; a backslash escapes a quote or a backslash, and is literal elsewhere."""
    if not value.startswith(b'"'):
        return value
    inner = value[1:-1] if len(value) > 1 and value.endswith(b'"') else value[1:]
    return re.sub(rb'\\(["\\])', rb"\1", inner)


def file_name(disposition: Mapping[str, bytes], *, percent_quoted: bool = False) -> str | None:
    """Return the file name in the parameters of a Content-Disposition; None without one, "" for an unusable one.

    `filename*` takes precedence over `filename`. `percent_quoted` is for clients that percent-encode the whole name.
    """
    extended = _extended(disposition)
    if extended is not None:
        return last_component(extended)
    if "filename" not in disposition:
        return None
    name = _decoded_words(_text(disposition["filename"]))
    if FULLY_QUOTED.fullmatch(name):
        whole = unquote(name)
        if "\ufffd" not in whole and (percent_quoted or not whole.isascii()):
            return last_component(whole)
    return last_component(BROWSERS_QUOTES.sub(lambda match: chr(int(match[1], 16)), name))


def last_component(name: str) -> str:
    """Return a name without path, control characters and lone surrogates; may be empty."""
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(" " if c in "\r\n\t" else c for c in name if c in "\r\n\t" or unicodedata.category(c) != "Cc")
    name = name.encode("utf-8", "replace").decode().strip()
    if len(name) > MAX_NAME:
        stem, dot, extension = name.rpartition(".")
        short = dot and len(extension) <= 16
        name = f"{stem[: MAX_NAME - len(extension) - 1]}.{extension}" if short else name[:MAX_NAME]
    return "" if name in (".", "..") else name


def _text(value: bytes) -> str:
    """Return a value in its most likely encoding: UTF-8, otherwise that of old Windows programs."""
    for charset in ("utf-8", "cp1252"):
        try:
            return value.decode(charset)
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1")


def _decode(value: bytes, charset: str) -> str | None:
    if not CHARSETS.fullmatch(charset):
        return None
    try:
        return value.decode(charset)
    except (LookupError, UnicodeError):
        return None


def _extended(disposition: Mapping[str, bytes]) -> str | None:
    """Return the value of `filename*` (RFC 8187), also in pieces (RFC 2231); None if there is no usable one."""
    whole = disposition.get("filename*")
    value = b"".join(_pieces(disposition)) if whole is None else whole
    charset, mark, rest = value.partition(b"'")
    _, second_mark, coded = rest.partition(b"'")  # the language between the marks is ignored
    if mark and second_mark and (whole is not None or "filename*0*" in disposition):
        return _decode(unquote_to_bytes(coded), charset.strip().decode("latin-1"))
    return _text(value) if value and "filename" not in disposition else None


def _pieces(disposition: Mapping[str, bytes]) -> Iterator[bytes]:
    for number in range(len(disposition)):
        for name in (f"filename*{number}*", f"filename*{number}"):
            if name in disposition:
                yield disposition[name]
                break
        else:
            return


def _decoded_words(name: str) -> str:
    """Return a name with the encoded words of RFC 2047 decoded; blanks between two of them are dropped."""
    if "=?" not in name:
        return name
    parts: list[tuple[str, bytes]] = []  # adjacent parts of one charset are joined before decoding
    out, position = [], 0
    name = BETWEEN_WORDS.sub("", re.sub(r"\r?\n(?=[ \t])", "", name))
    for match in WORD.finditer(name):
        content = _word_bytes(match[2].lower(), match[3])
        if match.start() > position or content is None:
            out += [*_joined(parts), name[position : match.start()]]
            parts = []
        if content is None:
            out.append(match[0])
        elif parts and parts[-1][0] == match[1].lower():
            parts[-1] = (parts[-1][0], parts[-1][1] + content)
        else:
            parts.append((match[1].lower(), content))
        position = match.end()
    return "".join([*out, *_joined(parts), name[position:]])


def _joined(parts: list[tuple[str, bytes]]) -> Iterator[str]:
    for charset, content in parts:
        text = _decode(content, charset)
        yield _text(content) if text is None else text


def _word_bytes(encoding: str, content: str) -> bytes | None:
    try:
        if encoding == "b":
            return base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
        return quopri.decodestring(content.encode("ascii"), header=True)
    except (binascii.Error, ValueError):
        return None


def extension_of(file_name: str) -> str:
    """Return the lower-case extension of a client's file name without the dot; empty if it is not a media extension."""
    _, _, extension = file_name.rpartition(".")
    return extension.lower() if "." in file_name and extension.lower() in MEDIA_EXTENSIONS else ""

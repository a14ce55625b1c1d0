"""The options of a submission, from the fields of a form or of a JSON object."""

import json
import re
from collections.abc import Callable
from typing import Any

from munsit_denoise.errors import InvalidOption, MissingFile, UploadNotFound
from munsit_denoise.jobs.qualities import Qualities
from munsit_denoise.media.formats import FORMATS, result_extension
from munsit_denoise.records import LEVELS_LUFS, STRENGTHS, TRACKS, Options
from munsit_denoise.remote.transfer import MAX_URL_LENGTH, check_url
from munsit_denoise.treatment import TRANSCRIPTION, TRANSCRIPTION_STRENGTH, Keep, Quality

ORIGINAL = "original"
USUAL_EXTENSION = "wav"
EVERY_QUALITY = Qualities()
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
VISIBLE = re.compile(r"[!-~]+")
BLANKS = b"\xef\xbb\xbf \t\r\n"  # allowed before an object, among them a byte order mark
NO_JSON = "The body is not a JSON object. Please send one with url or upload_id."
TWO_SOURCES = "url and {} were both given. Please send one of them."
NO_SOURCE = "url or upload_id is required: it says which recording to denoise."


class _Literal(str):
    """A number in JSON, as it was written."""


def _within(name: str, text: str, bounds: tuple[float, float]) -> float:
    value = float(text) if NUMBER.fullmatch(text) else float("nan")
    if not bounds[0] <= value <= bounds[1]:  # False for not-a-number, too
        raise InvalidOption(f"{name} must be a number from {bounds[0]:g} to {bounds[1]:g}.")
    return value + 0.0  # turns -0.0 into 0.0


def _strength(text: str) -> float:
    if text == TRANSCRIPTION:
        return TRANSCRIPTION_STRENGTH
    try:
        return _within("strength", text, STRENGTHS)
    except InvalidOption:
        raise InvalidOption(
            f"strength must be a number from {STRENGTHS[0]:g} to {STRENGTHS[1]:g}, or {TRANSCRIPTION}."
        ) from None


def _loudness(text: str) -> float:
    return _within("loudness", text, LEVELS_LUFS)


def _audio_track(text: str) -> int:
    if not WHOLE_NUMBER.fullmatch(text) or not TRACKS[0] <= int(text) <= TRACKS[1]:
        raise InvalidOption(f"audio_track must be a whole number from {TRACKS[0]} to {TRACKS[1]}.")
    return int(text)


def _output_format(text: str) -> str | None:
    """Return the extension of a result, None for the source's own."""
    if text.lower() == ORIGINAL:
        return None
    try:
        return result_extension(text, "")
    except InvalidOption:
        known = ", ".join(sorted(FORMATS))
        raise InvalidOption(f"output_format must be {ORIGINAL} or one of {known}.") from None


def _quality(text: str) -> Quality:
    try:
        return Quality(text)
    except ValueError:
        raise InvalidOption("quality must be standard or best.") from None


def _keep(text: str) -> Keep:
    try:
        return Keep(text)
    except ValueError:
        raise InvalidOption("keep must be voice, voice+music or dry-voice.") from None


def _url(text: str) -> str:
    return _address("url", text)


def _webhook_url(text: str) -> str:
    return _address("webhook_url", text)


def _address(name: str, text: str) -> str:
    if len(text) > MAX_URL_LENGTH:
        raise InvalidOption(f"{name} must have at most {MAX_URL_LENGTH} characters.")
    try:
        return check_url(text)
    except InvalidOption:
        reason = f"{name} must be an address that begins with http:// or https:// and names a host."
        raise InvalidOption(reason) from None


def _upload_id(text: str) -> str:
    if not VISIBLE.fullmatch(text):
        raise UploadNotFound
    return text


READERS: dict[str, Callable[[str], Any]] = {
    "strength": _strength,
    "output_format": _output_format,
    "loudness": _loudness,
    "audio_track": _audio_track,
    "webhook_url": _webhook_url,
    "quality": _quality,
    "keep": _keep,
    "url": _url,
    "upload_id": _upload_id,
}
FORM_FIELDS = tuple(name for name in READERS if name != "upload_id")
NUMBERS = ("strength", "loudness", "audio_track")
WORDS = {"extension": "output_format"}  # option names of the core that differ from the field's


class Fields:
    """The fields of one submission; each is checked as soon as it is known."""

    def __init__(self, qualities: Qualities = EVERY_QUALITY) -> None:
        self._values: dict[str, Any] = {}
        self._qualities = qualities
        self._beside_file = False

    def take(self, name: str, text: str) -> None:
        """Take a field; an empty one counts as absent. Raises InvalidOption, whose message starts with the name."""
        text = text.strip()
        if not text:
            return
        if name in self._values:
            raise InvalidOption(f"{name} must be given once.")
        self._values[name] = READERS[name](text)
        if name == "quality":
            self._qualities.check(self._values[name])
        self._check_sources()

    @property
    def any(self) -> bool:
        """Whether any field was taken."""
        return bool(self._values)

    @property
    def url(self) -> str | None:
        """The URL of the recording."""
        return self._values.get("url")

    @property
    def upload_id(self) -> str | None:
        """The id of the upload."""
        return self._values.get("upload_id")

    def stand_beside_file(self) -> None:
        """Note that a file is the source, which excludes a URL. Raises InvalidOption."""
        self._beside_file = True
        self._check_sources()

    def _check_sources(self) -> None:
        if self._beside_file and self.url is not None:
            raise InvalidOption(TWO_SOURCES.format("a file"))

    def options(self, base: str) -> Options:
        """Return the options of the result; messages about it have URLs on this base."""
        given = self._values
        webhook_url = given.get("webhook_url")
        return Options(
            extension=given.get("output_format", USUAL_EXTENSION),
            strength=given.get("strength", 1.0),
            level_lufs=given.get("loudness"),
            audio_track=given.get("audio_track", 0),
            webhook_url=webhook_url,
            webhook_base=base if webhook_url else None,
            quality=self._qualities.asked(given.get("quality")),
            keep=given.get("keep", Keep.VOICE),
        )


def read_json(body: bytes, qualities: Qualities = EVERY_QUALITY) -> Fields:
    """Return the fields of a JSON object that has either a URL or the id of an upload.

    Raises InvalidOption, UploadNotFound, and MissingFile for a body with none of these fields.
    """
    if not body.lstrip(BLANKS).startswith(b"{"):
        raise MissingFile
    try:  # numbers stay text, as in a form
        pairs = json.loads(
            body, object_pairs_hook=list, parse_int=_Literal, parse_float=_Literal, parse_constant=_Literal
        )
    except (ValueError, RecursionError):
        raise InvalidOption(NO_JSON) from None
    fields = Fields(qualities)
    for name, value in pairs:
        if name in READERS and value is not None:
            fields.take(name, _text(name, value))
    if fields.upload_id is None and fields.url is None:
        raise InvalidOption(NO_SOURCE) if fields.any else MissingFile
    if fields.upload_id is not None and fields.url is not None:
        raise InvalidOption(TWO_SOURCES.format("upload_id"))
    return fields


def _text(name: str, value: Any) -> str:
    """Return a JSON value as text; a number as it was written."""
    if name in NUMBERS and not isinstance(value, str):
        raise InvalidOption(f"{name} must be a number.")
    if name not in NUMBERS and (not isinstance(value, str) or isinstance(value, _Literal)):
        raise InvalidOption(f"{name} must be a string.")
    return str(value)


def in_words(error: InvalidOption) -> InvalidOption:
    """Return an error that names the option as in this dialect, if the core's message does not."""
    word = WORDS.get(error.option or "")
    return InvalidOption(f"{word}: {error.message}") if word else error

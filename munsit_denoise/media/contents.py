"""Reads what a file holds besides the samples of one track: other streams, tags, chapters."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread

from munsit_denoise.errors import ProcessingFailed
from munsit_denoise.media.ffmpeg import ProgramLimits, finish, input_options
from munsit_denoise.media.wav import PlainWav, read_plain_wav

PROBE_TIMEOUT_S = 60
KINDS = {"video": "v", "audio": "a", "subtitle": "s", "attachment": "t", "data": "d"}  # ffprobe's word: ffmpeg's letter
IMAGES = {  # by ffmpeg's name of the cover's codec
    "mjpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "webp": "image/webp",
    "tiff": "image/tiff",
}


@dataclass(frozen=True)
class Stream:
    """One stream of a file."""

    index: int  # among all streams of the file
    kind: str  # v, a, s, t (attachment) or d (data)
    codec: str  # ffmpeg's name, or "unknown"
    code: str = ""  # the four-letter code of the codec in the file
    is_cover: bool = False
    start_s: float | None = None  # on the file's own clock
    width: int = 0
    height: int = 0
    rotation_deg: float = 0.0  # how far players turn the picture
    frames_per_second: float = 0.0
    sample_rate_hz: int = 0
    channels: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    dispositions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call the stream in a sentence."""
        codec = self.codec if self.codec not in ("unknown", "none") else self.code if self.code.isalnum() else ""
        said = [codec, self.tags.get("language"), self.tags.get("title") or self.tags.get("filename")]
        return ", ".join(word for word in said if word and word != "und")


@dataclass(frozen=True)
class Chapter:
    """A titled section of the recording."""

    start_s: float
    end_s: float
    tags: dict[str, str]


@dataclass(frozen=True)
class Contents:
    """Everything in a file."""

    container: str  # ffmpeg's first name for it
    start_s: float  # on the file's own clock: ffmpeg's zero
    duration_s: float  # of all streams
    streams: tuple[Stream, ...]
    tags: dict[str, str]
    chapters: tuple[Chapter, ...]

    def of_kind(self, kind: str) -> list[Stream]:
        """Return the streams of a kind, in order, without covers."""
        return [stream for stream in self.streams if stream.kind == kind and not stream.is_cover]

    @property
    def covers(self) -> list[Stream]:
        """The cover pictures."""
        return [stream for stream in self.streams if stream.is_cover and stream.codec in IMAGES]


async def read_contents(path: Path) -> Contents:
    """Return the contents of a file; empty if they cannot be read. Raises Interrupted."""
    plain = await to_thread.run_sync(read_plain_wav, path)
    if plain is not None and plain.is_bare:
        return _bare(plain)
    arguments = ["-v", "quiet", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]
    try:
        done = await finish("ffprobe", arguments + input_options(path), ProgramLimits(), timeout_s=PROBE_TIMEOUT_S)
        found: dict[str, Any] = json.loads(done.stdout or b"{}")
    except (ProcessingFailed, ValueError):
        found = {}
    container = found.get("format", {})
    return Contents(
        str(container.get("format_name", "")).partition(",")[0],
        _number(container.get("start_time")) or 0.0,
        _number(container.get("duration")) or 0.0,
        tuple(_stream(each) for each in found.get("streams", []) if each.get("codec_type") in KINDS),
        _words(container),
        tuple(_chapter(each) for each in found.get("chapters", [])),
    )


def _bare(wav: PlainWav) -> Contents:
    """Return the contents of a WAV that holds nothing but samples."""
    sound = Stream(0, "a", wav.codec, sample_rate_hz=wav.sample_rate_hz, channels=wav.channels)
    return Contents("wav", 0.0, wav.duration_s, (sound,), {}, ())


def _stream(found: dict[str, Any]) -> Stream:
    dispositions = tuple(name for name, is_set in found.get("disposition", {}).items() if is_set)
    sides: list[dict[str, Any]] = found.get("side_data_list", [])
    upper, _, lower = str(found.get("avg_frame_rate", "0/1")).partition("/")
    return Stream(
        index=int(found["index"]),
        kind=KINDS[found["codec_type"]],
        codec=str(found.get("codec_name", "unknown")),
        code=str(found.get("codec_tag_string", "")),
        is_cover="attached_pic" in dispositions,
        start_s=_number(found.get("start_time")),
        width=int(found.get("width", 0)),
        height=int(found.get("height", 0)),
        rotation_deg=next((_number(each["rotation"]) or 0.0 for each in sides if "rotation" in each), 0.0),
        frames_per_second=(_number(upper) or 0.0) / (_number(lower) or 1.0),
        sample_rate_hz=int(_number(found.get("sample_rate")) or 0),
        channels=int(found.get("channels", 0)),
        tags=_words(found),
        dispositions=dispositions,
    )


def _chapter(found: dict[str, Any]) -> Chapter:
    return Chapter(_number(found.get("start_time")) or 0.0, _number(found.get("end_time")) or 0.0, _words(found))


def _words(found: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in found.get("tags", {}).items()}


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None

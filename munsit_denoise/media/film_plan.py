"""Decides which streams of a video go into the result and in which form; the rest is named in notes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from munsit_denoise.media.containers import Container
from munsit_denoise.media.contents import Contents, Stream
from munsit_denoise.media.formats import Encoding, encoding_for
from munsit_denoise.media.probe import AudioTrack

TEXT = frozenset(
    [
        "subrip",
        "srt",
        "ass",
        "ssa",
        "webvtt",
        "mov_text",
        "text",
        "microdvd",
        "subviewer",
        "subviewer1",
        "sami",
        "realtext",
        "stl",
    ]
)
MADE_ANEW = frozenset({"text", "tmcd"})  # data streams of chapters and time code, which the muxer writes itself
WORDS = {"s": "subtitles", "t": "attachment", "d": "data stream", "v": "further picture", "a": "sound track"}
TURNED = ("mp4", "mov", "ipod", "3gp", "3g2")  # containers that tell players to rotate a picture
NAL = frozenset({"h264", "hevc"})


class Modesty(IntEnum):
    """What a plan leaves out, in increasing order, because muxers refuse more than can be foreseen."""

    NOTHING = 0
    EXTRAS = 1  # subtitles, attachments, data
    COPIED_SOUNDS = 2  # further sound tracks are encoded
    FURTHER_SOUNDS = 3


@dataclass(frozen=True)
class Film:
    """A video of which one sound track is replaced."""

    contents: Contents
    track: AudioTrack
    extension: str
    container: Container
    encoding: Encoding  # of the new sound

    @property
    def picture(self) -> Stream:
        """The stream that players show."""
        return self.contents.of_kind("v")[0]

    @property
    def picture_fits(self) -> bool:
        """Return whether the container can hold the picture unchanged."""
        return not self.container.pictures or self.picture.codec in self.container.pictures


@dataclass(frozen=True)
class FilmPlan:
    """Options that choose streams of ffmpeg's inputs 0 (new sound), 1 (the video) and 3 (new picture)."""

    options: tuple[str, ...]
    sounds: int  # sound tracks in the result
    sound_index: int  # which of them is the new one
    attachments: int
    notes: tuple[str, ...]


class _Chosen:
    """The streams chosen so far."""

    def __init__(self, film: Film, modesty: Modesty) -> None:
        self.film, self.modesty = film, modesty
        self.counts = dict.fromkeys("vastd", 0)
        self.options: list[str] = []
        self.notes: list[str] = []
        self.sound_index = 0

    def add(self, stream: Stream, source: str, options: tuple[str, ...]) -> None:
        """Choose a stream; `options` contain a placeholder for its number."""
        number = self.counts[stream.kind]
        self.counts[stream.kind] += 1
        self.options += ["-map", source, *(word.replace("#", f"{stream.kind}:{number}") for word in options)]

    def drop(self, stream: Stream) -> None:
        name = f"{WORDS[stream.kind]} ({stream.name})" if stream.name else WORDS[stream.kind]
        verb = "are" if stream.kind == "s" else "is"
        self.notes.append(f"The {name} {verb} left out: .{self.film.extension} files do not hold it.")


def plan(film: Film, modesty: Modesty, *, new_picture: bool) -> FilmPlan:
    """Return the plan for a video's streams, in their order."""
    chosen = _Chosen(film, modesty)
    sounds = film.contents.of_kind("a")
    for stream in film.contents.streams:
        if stream.is_cover:
            continue
        if stream == film.picture:
            _add_picture(chosen, stream, new_picture=new_picture)
        elif stream.kind == "v":
            _add_further_picture(chosen, stream)
        elif stream.kind == "a" and sounds.index(stream) == film.track.index:
            chosen.sound_index = chosen.counts["a"]
            chosen.add(stream, "0:a:0", (*_numbered(film.encoding), "-disposition:#", _disposition(stream)))
        elif stream.kind == "a":
            _add_further_sound(chosen, stream, sounds.index(stream) < film.track.index)
        else:
            _add_extra(chosen, stream)
    counts = chosen.counts
    return FilmPlan(tuple(chosen.options), counts["a"], chosen.sound_index, counts["t"], tuple(chosen.notes))


def _add_picture(chosen: _Chosen, stream: Stream, *, new_picture: bool) -> None:
    codec = chosen.film.container.encoder.codec if new_picture else stream.codec
    options = ["-c:#", "copy", "-disposition:#", _disposition(stream)]
    if codec == "hevc" and chosen.film.encoding.muxer in ("mp4", "mov", "ipod"):
        options += ["-tag:#", "hvc1"]  # the only code that Apple's players accept
    if codec in NAL and chosen.film.encoding.muxer == "avi" and chosen.film.contents.container not in _START_CODES:
        options += ["-bsf:#", f"{codec}_mp4toannexb"]
    if stream.rotation_deg and not new_picture and chosen.film.encoding.muxer not in TURNED:
        chosen.notes.append(
            f"The picture lies on its side: .{chosen.film.extension} files cannot tell players to turn it."
        )
    chosen.add(stream, "3:v:0" if new_picture else f"1:{stream.index}", tuple(options))


_START_CODES = ("mpegts", "avi", "mpeg", "h264", "hevc")


def _add_further_picture(chosen: _Chosen, stream: Stream) -> None:
    container = chosen.film.container
    fits = not container.pictures or stream.codec in container.pictures
    if fits and not container.from_picture and chosen.modesty < Modesty.EXTRAS:
        chosen.add(stream, f"1:{stream.index}", ("-c:#", "copy"))
    else:
        chosen.drop(stream)


def _add_further_sound(chosen: _Chosen, stream: Stream, comes_before: bool) -> None:
    container, modesty = chosen.film.container, chosen.modesty
    room = container.sound_tracks - chosen.counts["a"] - comes_before
    is_copied = (not container.sounds or stream.codec in container.sounds) and modesty < Modesty.COPIED_SOUNDS
    decodable = stream.codec not in ("unknown", "none") and stream.sample_rate_hz > 0 and stream.channels > 0
    if modesty >= Modesty.FURTHER_SOUNDS or room < 1 or not (is_copied or decodable):
        chosen.drop(stream)
    elif is_copied:
        chosen.add(stream, f"1:{stream.index}", ("-c:#", "copy"))
    else:
        own = encoding_for(chosen.film.extension, _track_of(stream, chosen.film.track))
        chain = ("-filter:#", own.filters) if own.filters else ()
        chosen.add(stream, f"1:{stream.index}", (*_numbered(own), *chain))


def _track_of(stream: Stream, like: AudioTrack) -> AudioTrack:
    return replace(
        like, sample_rate_hz=stream.sample_rate_hz, channels=stream.channels, layout=None, codec=stream.codec, bits=16
    )


def _add_extra(chosen: _Chosen, stream: Stream) -> None:
    container = chosen.film.container
    options: tuple[str, ...] | None = None
    if stream.kind == "s" and stream.codec in container.subtitles:
        options = ("-c:#", "copy", "-disposition:#", _disposition(stream))
    elif stream.kind == "s" and container.text and stream.codec in TEXT:
        options = ("-c:#", container.text, "-disposition:#", _disposition(stream))
    elif (stream.kind == "t" and container.holds_attachments) or (
        stream.kind == "d" and stream.codec in container.data
    ):
        options = ("-c:#", "copy")
    if options and chosen.modesty < Modesty.EXTRAS:
        chosen.add(stream, f"1:{stream.index}", options)
    elif not (stream.kind == "d" and stream.code in MADE_ANEW):
        chosen.drop(stream)


def _numbered(encoding: Encoding) -> tuple[str, ...]:
    """Return an encoding's options for the first audio track with a placeholder for its number."""
    return tuple(word.replace("a:0", "#") if word.startswith("-") else word for word in encoding.options)


def _disposition(stream: Stream) -> str:
    return "+".join(stream.dispositions) or "0"


def plans(film: Film, *, new_picture: bool) -> Iterator[FilmPlan]:
    """Yield the plans for a video without repetition, the most complete first."""
    seen: set[tuple[str, ...]] = set()
    for modesty in Modesty:
        found = plan(film, modesty, new_picture=new_picture)
        if found.options not in seen:
            seen.add(found.options)
            yield found

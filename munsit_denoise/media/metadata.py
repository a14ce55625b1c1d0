"""The metadata that a result takes over from its original: tags, covers, chapters, chunks of a WAV."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anyio import to_thread

from munsit_denoise.media import riff
from munsit_denoise.media.contents import IMAGES, Contents, Stream
from munsit_denoise.media.ffmpeg import ProgramLimits, finish, input_options
from munsit_denoise.media.formats import Encoding
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.scratch import Scratch
from munsit_denoise.media.tags import APPLE_PREFIX, broadcast_tags, kept_tags, metadata_text, shift_of, track_tags

TAGGING = Path(__file__).with_name("tagging.py")
TAGGING_S = 60  # a large file may have to be shifted by the size of its tags
MAX_COVERS = 16
COVER_LIMITS = ProgramLimits(file_bytes=64 * 2**20, open_files=128)
PICTURE_TYPES = (  # of ID3v2, by ffmpeg's names, in the order of their numbers
    "Other",
    "32x32 pixels 'file icon'",
    "Other file icon",
    "Cover (front)",
    "Cover (back)",
    "Leaflet page",
    "Media (e.g. label side of CD)",
    "Lead artist/lead performer/soloist",
    "Artist/performer",
    "Conductor",
    "Band/Orchestra",
    "Composer",
    "Lyricist/text writer",
    "Recording Location",
    "During recording",
    "During performance",
    "Movie/video screen capture",
    "A bright coloured fish",
    "Illustration",
    "Band/artist logotype",
    "Publisher/Studio logotype",
)
FRONT = PICTURE_TYPES.index("Cover (front)")
MP4_LIKE = ("mp4", "ipod", "mov", "3gp", "3g2")
KINDS = {"mp3": "mp3", "flac": "flac", "mp4": "mp4", "ipod": "mp4", "mov": "mp4", "asf": "asf", "aiff": "aiff"}
OGG_KINDS = {"libvorbis": "vorbis", "libopus": "opus"}
COMMENTED = ("flac", "vorbis", "opus")  # these store chapters as comments
SAME_KIND = {"mp3": "mp3 aiff wav", "flac": "flac ogg", "mp4": "mov", "asf": "asf", "aiff": "mp3 aiff wav"}
SAME_KIND |= {"vorbis": "flac ogg", "opus": "flac ogg", "wav": "mp3 aiff"}  # containers whose tags each kind can copy


@dataclass(frozen=True)
class Cover:
    """A cover picture, in a file of its own."""

    path: Path
    media_type: str
    type: int  # ID3v2's number
    text: str


@dataclass(frozen=True)
class Metadata:
    """The metadata of a source, to be written to a result."""

    source: Path
    source_container: str
    tags: dict[str, str]
    track_tags: dict[str, str]
    metadata: Path  # tags and chapters in ffmpeg's format
    chapters: tuple[tuple[float, str], ...]  # start in the result, title
    covers: tuple[Cover, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Options that open the metadata."""
        return ("-f", "ffmetadata", "-i", f"file:{self.metadata.absolute()}")

    def options(self, muxer: str, number: int, attachments: int = 0) -> tuple[str, ...]:
        """Return the options that write the metadata from this input of ffmpeg, without tags of the track."""
        if muxer == "wav" and self.source_container == "wav":
            return ("-map_metadata:g", "-1", "-map_chapters", "-1")  # the chunks are copied separately
        options = ["-map_metadata:g", f"{number}:g", "-map_chapters", str(number)]
        if self._has_apple_keys and muxer in MP4_LIKE:
            options += ["-movflags", "+use_metadata_tags"]
        if muxer in ("aiff", "adts"):
            options += ["-write_id3v2", "1"]
        if muxer == "wav" and (broadcast := broadcast_tags(self.tags)):
            options += ["-write_bext", "1"]
            options += [word for key, value in broadcast.items() for word in ("-metadata", f"{key}={value}")]
        if muxer == "matroska":
            for at, cover in enumerate(self.covers, start=attachments):
                name = "cover" if cover.type == FRONT else f"cover_{at}"
                name += "." + cover.media_type.partition("/")[2].replace("jpeg", "jpg")
                options += ["-attach", str(cover.path.absolute()), f"-metadata:s:t:{at}", f"filename={name}"]
                options += [f"-metadata:s:t:{at}", f"mimetype={cover.media_type}"]
        return tuple(options)

    def track_options(self, number: int) -> tuple[str, ...]:
        """Return the options that write the tags of the result's audio track with this number."""
        tags = self.track_tags.items()
        return tuple(word for key, value in tags for word in (f"-metadata:s:a:{number}", f"{key}={value}"))

    def with_sound(self, encoding: Encoding) -> Encoding:
        """Return the encoding of a result without a picture, extended by its metadata."""
        named = () if encoding.muxer in ("ogg", "oga", "opus", "flac") else self.track_options(0)
        options = (*encoding.options, *self.options(encoding.muxer, 1), *named)
        return replace(encoding, options=options, inputs=self.inputs)

    @property
    def _has_apple_keys(self) -> bool:
        return any(key.startswith(APPLE_PREFIX) for key in self.tags)

    def tagging_kind(self, encoding: Encoding) -> str | None:
        """Return the kind of tags for a result of an encoding, or None if there is nothing to write."""
        if encoding.muxer in ("ogg", "oga", "opus"):
            kind = next((OGG_KINDS[word] for word in encoding.options if word in OGG_KINDS), None)
        elif encoding.muxer == "wav" and self.source_container != "wav":
            kind = "wav" if self.covers or self.chapters else None
        else:
            kind = KINDS.get(encoding.muxer)
        if kind is None:
            return None
        comments = self.chapters if kind in COMMENTED else ()
        return kind if self.covers or comments or self.copies(kind) else None

    def copies(self, kind: str) -> bool:
        """Return whether the source's tags are copied unchanged to a kind; QuickTime's may not be."""
        is_same_kind = self.source_container in SAME_KIND[kind].split() and bool(self.tags)
        return is_same_kind and not (kind == "mp4" and self._has_apple_keys)


async def gather(source: Path, contents: Contents, track: AudioTrack, scratch: Scratch, *, is_film: bool) -> Metadata:
    """Return the metadata of a recording, with its parts in scratch files. Raises Interrupted."""
    tags = kept_tags(contents, track.index)
    shift_s = shift_of(contents.start_s if is_film else track.origin_s)
    metadata = scratch.path("tags")
    text = metadata_text(tags, contents.chapters, shift_s)
    await to_thread.run_sync(lambda: metadata.write_text(text, encoding="utf-8", errors="replace"))
    return Metadata(
        source,
        contents.container,
        tags,
        track_tags(contents, track.index),
        metadata,
        tuple((max(each.start_s - shift_s, 0.0), each.tags.get("title", "")) for each in contents.chapters),
        await _covers(source, contents.covers[:MAX_COVERS], scratch),
    )


async def _covers(source: Path, streams: list[Stream], scratch: Scratch) -> tuple[Cover, ...]:
    if not streams:
        return ()
    covers = [_cover(stream, scratch.path(f"cover{number}")) for number, stream in enumerate(streams)]
    arguments = ["-v", "quiet", "-nostdin", "-y", *input_options(source)]
    for stream, cover in zip(streams, covers, strict=True):
        arguments += ["-map", f"0:{stream.index}", "-c", "copy", "-frames:v", "1", "-f", "rawvideo"]
        arguments += [f"file:{cover.path.absolute()}"]
    await finish("ffmpeg", arguments, COVER_LIMITS, timeout_s=60)
    return tuple([cover for cover in covers if await to_thread.run_sync(_is_filled, cover.path)])


def _is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _cover(stream: Stream, path: Path) -> Cover:
    word = stream.tags.get("comment", "")
    kind = PICTURE_TYPES.index(word) if word in PICTURE_TYPES else FRONT
    return Cover(path, IMAGES[stream.codec], kind, stream.tags.get("title", ""))


async def finish_tags(target: Path, metadata: Metadata, encoding: Encoding) -> tuple[str, ...]:
    """Add to a result what ffmpeg did not write; return notes for the user. Raises Interrupted."""
    if encoding.muxer == "wav" and metadata.source_container == "wav":
        await to_thread.run_sync(riff.copy_chunks, metadata.source, target)
    kind = metadata.tagging_kind(encoding)
    if kind is None:
        is_lost = metadata.covers and encoding.muxer not in ("matroska", "wav")
        return ("The cover is left out: the result's format has no place for it.",) if is_lost else ()
    covers = [{**vars(cover), "path": str(cover.path)} for cover in metadata.covers]
    order: dict[str, Any] = {"source": str(metadata.source), "target": str(target), "kind": kind, "covers": covers}
    order |= {"chapters": metadata.chapters, "copies": metadata.copies(kind)}
    limits = ProgramLimits(cpu_s=TAGGING_S, memory_bytes=2**30)
    done = await finish("python", ["-P", str(TAGGING), json.dumps(order)], limits, timeout_s=2 * TAGGING_S)
    return () if done.code == 0 else ("Some of the recording's tags, or its cover, could not be kept.",)

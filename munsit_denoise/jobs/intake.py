"""Limits on uploads, and the examination of an uploaded file."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from munsit_denoise.errors import AudioTooLong, FileTooLarge
from munsit_denoise.jobs.fair import FairLimiter
from munsit_denoise.jobs.result_size import needed_bytes
from munsit_denoise.media.formats import result_extension
from munsit_denoise.media.probe import AudioTrack, probe
from munsit_denoise.names import extension_of
from munsit_denoise.records import DenoiseRecord, Options, source_type_of

PROBES_AT_ONCE = 4  # files that are probed at the same time
EXTENSIONS = {"matroska": "mkv", "mov": "mp4", "asf": "wma", "mpegts": "mpg"}  # of containers with another name


@dataclass(frozen=True)
class UploadLimits:
    """Limits on an upload; 0 means no limit."""

    upload_mb: int
    duration_minutes: float
    pending_jobs: int
    pending_jobs_per_user: int
    disk_reserve_mb: int
    uploads_per_user: int = 0
    uploads_mb_per_user: int = 0
    result_mb_per_user: int = 0

    @property
    def upload_bytes(self) -> int | None:
        """The size of the largest accepted file; None means no limit."""
        return self.upload_mb * 2**20 or None

    def too_large(self, size_bytes: int) -> FileTooLarge:
        """Return the error for a file of this size."""
        return FileTooLarge(self.upload_mb, size_bytes)


@dataclass(frozen=True)
class Received:
    """A file that was written to disk, and the client's name for it."""

    file_name: str
    size_bytes: int
    options: Options | None = None  # options that came with the file; None if they were known before


Receive = Callable[[Path], Awaitable[Received]]  # writes an upload to a path


class Examiner:
    """Probes files, a few at a time and with users in turn, because a crafted file can take long."""

    def __init__(self, limits: UploadLimits) -> None:
        self._limits, self._probing = limits, FairLimiter(PROBES_AT_ONCE)

    async def examine(self, user_id: str, path: Path, index: int = 0) -> AudioTrack:
        """Return one audio track of a file. Raises NotMedia, InvalidOption, AudioTooLong, Interrupted."""
        async with self._probing.place(user_id):
            track = await looked_at(path, index)
        minutes = self._limits.duration_minutes
        if minutes and track.duration_s > 60 * minutes:
            raise AudioTooLong(minutes, track.duration_s)
        return track


async def looked_at(path: Path, index: int) -> AudioTrack:
    """Return one audio track of a file; raises the first error of the programs, not a group. Raises NotMedia."""
    try:
        return await probe(path, index)
    except BaseExceptionGroup as group:
        raise first_of(group) from group


def first_of(error: BaseException) -> BaseException:
    """Return the first leaf of an exception group; any other error is returned unchanged."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def track_json(track: AudioTrack) -> str:
    """Return a track as it is stored in a row."""
    return json.dumps(asdict(track))


def track_of(row: str | None) -> AudioTrack | None:
    """Return the track stored in a row; None if there is none that this version can read."""
    try:
        return AudioTrack(**json.loads(row)) if row else None
    except (TypeError, ValueError):
        return None


def format_of(file_name: str, track: AudioTrack) -> str:
    """Return the format of a file: the extension of its name, otherwise its content."""
    return extension_of(file_name) or _content_format(track)


def _content_format(track: AudioTrack) -> str:
    if track.container == "matroska":  # ffprobe uses this name for WebM too
        return "webm" if track.codec in ("opus", "vorbis") else "mkv" if track.has_picture else "mka"
    if track.container == "mov" and not track.has_picture:
        return "m4a"
    return EXTENSIONS.get(track.container, track.container)[:16]


def described(record: DenoiseRecord, received: Received, track: AudioTrack) -> DenoiseRecord:
    """Return a record with the description of its original, which also determines the result.

    Raises InvalidOption if the result cannot be written.
    """
    audio_format = format_of(received.file_name, track)
    wanted = result_extension(record.options.extension, audio_format, has_picture=track.has_picture)
    options = replace(record.options, extension=wanted)
    return replace(
        record,
        file_name=received.file_name,
        audio_format=audio_format,
        source_type=source_type_of(extension_of(received.file_name)),
        audio_duration_s=round(track.duration_s, 6),
        audio_size_bytes=received.size_bytes,
        source_url=None,
        options=options,
        track=track_json(track),
        result_bytes=needed_bytes(track, options, received.size_bytes),
    )

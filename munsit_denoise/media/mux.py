"""Writes a video result: the new sound, and all other streams of the original, muxed together."""

from dataclasses import dataclass, replace
from pathlib import Path

from anyio import to_thread

from munsit_denoise.media.contents import read_contents
from munsit_denoise.media.encode import output_options, write_failure
from munsit_denoise.media.ffmpeg import ProgramLimits, finish, input_options
from munsit_denoise.media.film_plan import Film, FilmPlan, plans
from munsit_denoise.media.formats import PLACELESS
from munsit_denoise.media.metadata import Metadata
from munsit_denoise.media.picture import Tell, encode_picture
from munsit_denoise.media.riff import is_silent
from munsit_denoise.media.scratch import Scratch
from munsit_denoise.media.starts import picture_start_s, sound_start_s

SECONDS_PER_SECOND = 20  # time limit for encoding the sound of a second of video
SYNC_S = 0.004  # the largest offset between sound and picture
MAX_CORRECTIONS = 2
LATE_S = 0.02  # silence at the start that is left to the time stamps
UNTOLD_PADDING = {"aac": 1_024, "mp2": 481, "ac3": 256, "libmp3lame": 1_105}  # samples that encoders add at the start
TELLS_PADDING = ("matroska", "webm", "ogg")
CUTS_BEFORE_ZERO = ("mp4", "mov", "ipod", "3gp", "3g2")  # these mark padding only if sound starts at zero
MOVED = ("mpegts", "mpeg", "ogg")  # without an offset, ffmpeg moves their zero to the first chosen stream
UNMOVED_S = 1e-6
NO_CLOCK = ("avi", "mxf", "ogg")


@dataclass(frozen=True)
class FilmSources:
    """The parts of a video result."""

    film: Film
    path: Path  # of the video
    sound: Path  # the new sound, from the track's origin on
    metadata: Metadata
    filters: str  # for the sound; may be empty


async def write_film(sources: FilmSources, target: Path, scratch: Scratch, tell: Tell) -> tuple[str, ...]:
    """Write a video with its new sound; return notes on what the result lacks.

    The picture is copied if the container can hold it. Raises ProcessingFailed, StorageFull, Interrupted.
    """
    film = sources.film
    before_s = await picture_start_s(sources.path)
    if film.picture_fits:
        for plan in plans(film, new_picture=False):
            if await _write_checked(sources, plan, before_s, target, None):
                return plan.notes
    picture = scratch.path("picture")
    await encode_picture(sources.path, film.picture, film.container.encoder, picture, tell)
    for plan in plans(film, new_picture=True):
        if await _write_checked(sources, plan, before_s, target, picture):
            return plan.notes
    raise write_failure(target)


async def _write_checked(
    sources: FilmSources, plan: FilmPlan, before_s: float | None, target: Path, picture: Path | None
) -> bool:
    """Write a video as planned and return whether a player finds it complete and in sync."""
    begins = await _beginnings(sources, before_s)
    for _ in range(1 + MAX_CORRECTIONS):
        if not await _mux(sources, plan, begins, target, picture):
            return False
        shown_s, heard_s = await picture_start_s(target), await sound_start_s(target, plan.sound_index)
        found = await read_contents(target)
        if shown_s is None or heard_s is None or len(found.of_kind("a")) != plan.sounds:
            return False
        if picture is None and found.of_kind("v")[0].codec != sources.film.picture.codec:
            return False
        late_s = heard_s + begins.padding_s - shown_s - begins.sound_after_picture_s
        late_s += begins.sound_s if sources.film.encoding.muxer in NO_CLOCK else 0.0
        if abs(late_s) <= SYNC_S:
            return True
        begins = begins.corrected(late_s)
    return True  # as close as the container allows


@dataclass(frozen=True)
class _Beginnings:
    """Start times on the result's clock, and how much of the sound's start is cut."""

    sound_s: float
    head_s: float
    film_s: float
    new_picture_s: float
    sound_after_picture_s: float  # of the first written sample, relative to the first frame
    padding_s: float  # of an encoder before the first sample, not marked in the container

    def corrected(self, late_s: float) -> "_Beginnings":
        """Return these times with the sound moved earlier."""
        return replace(self, sound_s=self.sound_s - late_s)


async def _beginnings(sources: FilmSources, before_s: float | None) -> _Beginnings:
    film = sources.film
    contents, origin_s = film.contents, film.track.origin_s
    picture_s = film.picture.start_s or 0.0 if before_s is None else before_s
    has_clock = film.encoding.muxer not in NO_CLOCK
    zero_s = contents.start_s if has_clock else picture_s
    padding_s, head_s = _untold_padding_s(film), 0.0
    if has_clock:
        starts_s = contents.of_kind("a")[film.track.index].start_s or origin_s
        head_s = starts_s - origin_s if starts_s - origin_s > LATE_S else 0.0
        is_told = film.encoding.muxer in CUTS_BEFORE_ZERO and origin_s + head_s <= zero_s
        if padding_s and not is_told and await to_thread.run_sync(is_silent, sources.sound, head_s, padding_s):
            head_s += padding_s  # the padding replaces silence, so that the time stamps stay
    if film.encoding.muxer in CUTS_BEFORE_ZERO:
        padding_s = min(padding_s, max(origin_s + head_s - zero_s, 0.0))
    begin_s = origin_s + head_s
    sound_s = begin_s - zero_s - film.encoding.lead_s
    film_s, new_picture_s = contents.start_s - zero_s, picture_s - zero_s
    return _Beginnings(sound_s, head_s, film_s, new_picture_s, begin_s - picture_s, padding_s)


def _untold_padding_s(film: Film) -> float:
    """Return the duration of encoder padding that the container does not mark."""
    words = film.encoding.options
    if film.encoding.muxer in TELLS_PADDING:
        return 0.0
    rate_hz = int(words[words.index("-ar:a:0") + 1]) if "-ar:a:0" in words else film.track.sample_rate_hz
    return UNTOLD_PADDING.get(words[words.index("-c:a:0") + 1], 0) / rate_hz


async def _mux(sources: FilmSources, plan: FilmPlan, begins: _Beginnings, target: Path, picture: Path | None) -> bool:
    """Return whether the muxer accepted all streams."""
    film, head_s, sound_s, silence_s = sources.film, begins.head_s, begins.sound_s, 0.0
    if film.encoding.muxer in NO_CLOCK:
        head_s, silence_s, sound_s = head_s + max(-sound_s, 0.0), max(sound_s, 0.0), 0.0
    cut = ["-ss", f"{head_s:.6f}"] if head_s else []
    arguments = ["-v", "quiet", "-nostdin", "-y", *cut, "-itsoffset", f"{sound_s:.6f}"]
    arguments += [*PLACELESS, *input_options(sources.sound)]
    film_s = begins.film_s or UNMOVED_S * (film.contents.container in MOVED)
    arguments += ["-itsoffset", f"{film_s:.6f}", *input_options(sources.path), *sources.metadata.inputs]
    arguments += ["-itsoffset", f"{begins.new_picture_s:.6f}", *input_options(picture)] if picture else []
    arguments += [*plan.options, *sources.metadata.options(film.encoding.muxer, 2, plan.attachments)]
    arguments += [*sources.metadata.track_options(plan.sound_index), *_filtered(sources, plan, silence_s, sound_s)]
    arguments += ["-max_muxing_queue_size", "4096", *output_options(target, film.encoding)]
    limits = ProgramLimits(cpu_s=60 + int(SECONDS_PER_SECOND * film.track.duration_s), open_files=128)
    timeout_s = 60 + SECONDS_PER_SECOND * film.track.duration_s
    return (await finish("ffmpeg", arguments, limits, timeout_s=timeout_s)).code == 0


def _filtered(sources: FilmSources, plan: FilmPlan, silence_s: float, sound_s: float) -> list[str]:
    """Return the options for the new sound's filters, with silence before it; MXF ends with its sound."""
    delay = f"adelay=delays={round(silence_s * sources.film.track.sample_rate_hz)}S:all=1" if silence_s else ""
    whole = f"apad=whole_dur={sources.film.contents.duration_s:.6f}" if sources.film.encoding.muxer == "mxf" else ""
    stamps = f"asetpts=N/SR/TB+{sound_s:.6f}/TB" if sources.film.encoding.lead_s else ""  # silence before starts at 0
    chain = ",".join(filter(None, (delay, sources.filters, sources.film.encoding.filters, whole, stamps)))
    return [f"-filter:a:{plan.sound_index}", chain] if chain else []

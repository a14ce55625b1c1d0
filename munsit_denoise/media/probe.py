"""Probes a file for one of its audio tracks, before anything is decoded."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from munsit_denoise.errors import Interrupted, InvalidOption, NotMedia, ProcessingFailed
from munsit_denoise.media.ffmpeg import ProgramLimits, finish, input_options
from munsit_denoise.media.layouts import plain_layout
from munsit_denoise.media.measure import Measured, measure
from munsit_denoise.media.timeline import TimeLine, origin_s
from munsit_denoise.media.wav import PlainWav, read_plain_wav

RATES_HZ = range(2_000, 192_001)
MAX_CHANNELS = 64
MAX_SAMPLES_A_SECOND = 8 * 192_000  # over all channels: limits the memory of a window
PROBE_TIMEOUT_S = 60
ORDINARY_WAV, BIG_ENDIAN_WAV = (b"RIFF", b"RF64"), b"RIFX"
HEADER_SLACK_S = 0.02  # by which a correct header may differ from the packets, besides the last one
ESTIMATED = ("mpegts", "mpeg")  # containers whose header has no duration
MAX_SILENCE_S = 24 * 3_600  # in gaps between time stamps
MAX_TOLD = 12  # tracks that a message lists
WHOLE_SHARE = 0.9  # of a WAV, by its header; with less, the header may be wrong


@dataclass(frozen=True)
class AudioTrack:
    """One audio track of a file, by default the first."""

    sample_rate_hz: int
    channels: int
    layout: str | None  # ffmpeg's name of the channel layout, None if the file does not say
    codec: str
    bits: int  # per sample; 0 if the codec has none
    is_float: bool
    duration_s: float
    container: str
    has_picture: bool = False  # a video stream that is not a cover
    index: int = 0  # among the file's audio tracks
    origin_s: float = 0.0  # on the file's own clock: the first decoded sample
    picture_start_s: float | None = None  # on the file's own clock: the first picture
    language: str | None = None
    title: str | None = None


async def probe(path: Path, index: int = 0) -> AudioTrack:
    """Return one of a file's audio tracks.

    Raises NotMedia if none can be decoded, InvalidOption if there are fewer tracks, Interrupted if a program was
    killed.
    """
    kind = await to_thread.run_sync(_wav_kind, path)
    if kind not in ORDINARY_WAV:
        track = await _probe_whole(path, index)
        return _big_endian(track) if kind == BIG_ENDIAN_WAV else track
    size_bytes = (await anyio.Path(path).stat()).st_size
    plain = await to_thread.run_sync(read_plain_wav, path) if index == 0 else None
    if plain is not None and _fills(track := _plain_track(plain), size_bytes):
        return track
    track = _track_of(await _header(path), index)
    return track if _fills(track, size_bytes) else await _probe_whole(path, index)


async def _probe_whole(path: Path, index: int) -> AudioTrack:
    """Read a file's header and its packets at the same time, because starting a program takes most of the time."""
    header: dict[str, Any] = {}
    measured = Measured()
    cut_off: list[Interrupted] = []

    async def read_header() -> None:
        nonlocal header
        try:
            header = await _header(path)
        except Interrupted as error:
            cut_off.append(error)

    async def read_packets() -> None:
        nonlocal measured
        try:
            measured = await measure(path, index)
        except Interrupted as error:
            cut_off.append(error)
        except ProcessingFailed:
            pass  # the empty measurement shows it

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_header)
        tasks.start_soon(read_packets)
    if cut_off:
        raise cut_off[0]
    return _timed(_track_of(header, index), measured)


def _timed(track: AudioTrack, measured: Measured) -> AudioTrack:
    """Return a track with its time line. Raises NotMedia if nothing can be decoded, or for impossible time stamps."""
    if measured.sound_start_s is None or not measured.stretches:
        raise NotMedia
    zero_s = origin_s(track.container, measured.sound_start_s, track.picture_start_s)
    line = TimeLine(track.sample_rate_hz, track.container, track.has_picture)
    for start_s, length_s in measured.stretches:
        begin_s = max(start_s, measured.sound_start_s)  # earlier samples are the codec's delay and are not heard
        count_s = start_s + length_s - begin_s
        if count_s > 0:
            line.place(round((begin_s - zero_s) * line.rate_hz), round(count_s * line.rate_hz))
    if line.silence > MAX_SILENCE_S * line.rate_hz:
        raise NotMedia("The time stamps in the file are broken: they contain a gap of more than a day.")
    duration_s = line.position / line.rate_hz
    shortest_s = duration_s - (measured.last_length_s or measured.usual_length_s) - HEADER_SLACK_S
    told = () if track.container in ESTIMATED else (track.origin_s + track.duration_s - zero_s, track.duration_s)
    fitting = [each_s for each_s in told if shortest_s <= each_s <= duration_s + HEADER_SLACK_S]
    return replace(track, origin_s=zero_s, duration_s=(fitting or [duration_s])[0])


def _wav_kind(path: Path) -> bytes:
    """Return the first four bytes of a WAV; empty for other files."""
    with path.open("rb") as file:
        start = file.read(12)
    return start[:4] if start[8:] == b"WAVE" else b""


def _plain_track(wav: PlainWav) -> AudioTrack:
    """Return the track of a WAV with a plain header. Raises NotMedia if it is too large."""
    track = AudioTrack(
        sample_rate_hz=wav.sample_rate_hz,
        channels=wav.channels,
        layout=wav.layout,
        codec=wav.codec,
        bits=wav.bits,
        is_float=wav.codec.startswith("pcm_f"),
        duration_s=wav.duration_s,
        container="wav",
    )
    _refuse_excess(track)
    return track


def _big_endian(track: AudioTrack) -> AudioTrack:
    """Return the track of a big-endian WAV, whose byte order ffmpeg ignores. Raises NotMedia unless it is PCM.

    The codec's name tells the decoder.
    """
    if track.codec in ("pcm_u8", "pcm_mulaw", "pcm_alaw"):
        return track
    if track.codec.startswith("pcm_") and track.codec[-2:] in ("le", "be"):
        return replace(track, codec=f"{track.codec[:-2]}be")
    raise NotMedia("A big-endian WAV (RIFX) can only be read if it contains PCM. Please send it in another format.")


def _fills(track: AudioTrack, size_bytes: int) -> bool:
    """Return whether the file holds as many samples as the header says, so that the header can be trusted."""
    samples_bytes = track.duration_s * track.sample_rate_hz * track.channels * track.bits / 8
    return track.codec.startswith("pcm_") and WHOLE_SHARE * size_bytes <= samples_bytes <= size_bytes


async def _header(path: Path) -> dict[str, Any]:
    """Return ffprobe's description of a file; empty if there is none."""
    arguments = ["-v", "quiet", "-of", "json", "-show_format", "-show_streams"]
    try:
        done = await finish("ffprobe", arguments + input_options(path), ProgramLimits(), timeout_s=PROBE_TIMEOUT_S)
        found: dict[str, Any] = json.loads(done.stdout or b"{}")
    except (ProcessingFailed, ValueError):
        return {}
    return found


def _track_of(header: dict[str, Any], index: int) -> AudioTrack:
    """Return one audio track of ffprobe's description. Raises NotMedia for none or one too large, InvalidOption."""
    streams = header.get("streams", [])
    sounds = [stream for stream in streams if stream.get("codec_type") == "audio"]
    if not sounds:
        raise NotMedia
    if not 0 <= index < len(sounds):
        tracks = "; ".join(f"{number}: {_described(sound)}" for number, sound in enumerate(sounds[:MAX_TOLD]))
        raise InvalidOption(f"audio_track {index} is not in the file. Its tracks are {tracks}.")
    pictures = [stream for stream in streams if _is_picture(stream)]
    track = _read_track(sounds[index], header.get("format", {}), pictures)
    _refuse_excess(track)
    return replace(track, index=index)


def _described(stream: dict[str, Any]) -> str:
    """Return language, title, codec and channels of a track, for a sentence."""
    tags = stream.get("tags", {})
    said = [tags.get("language"), tags.get("title"), stream.get("codec_name"), f"{stream.get('channels', 0)} channels"]
    return ", ".join(str(word)[:60] for word in said if word)


def _refuse_excess(track: AudioTrack) -> None:
    """Raise NotMedia for a track with more channels or samples than can be processed."""
    if track.channels > MAX_CHANNELS or track.sample_rate_hz not in RATES_HZ:
        raise NotMedia(
            f"Sound at {track.sample_rate_hz} Hz with {track.channels} channels is not supported: "
            f"{RATES_HZ.start} to {RATES_HZ.stop - 1} Hz and up to {MAX_CHANNELS} channels are."
        )
    if track.channels * track.sample_rate_hz > MAX_SAMPLES_A_SECOND:
        raise NotMedia("The file has more channels than can be processed at its sample rate.")


def _is_picture(stream: dict[str, Any]) -> bool:
    covers = stream.get("disposition", {}).get("attached_pic")
    return stream.get("codec_type") == "video" and not covers


def _read_track(stream: dict[str, Any], container: dict[str, Any], pictures: list[dict[str, Any]]) -> AudioTrack:
    try:
        codec = str(stream.get("codec_name", ""))
        tags = stream.get("tags", {})
        track = AudioTrack(
            sample_rate_hz=int(stream["sample_rate"]),
            channels=int(stream["channels"]),
            layout=plain_layout(stream.get("channel_layout")),
            codec=codec,
            bits=int(stream.get("bits_per_raw_sample") or stream.get("bits_per_sample") or 0),
            is_float=codec.startswith("pcm_f")
            or (codec == "wavpack" and stream.get("sample_fmt", "").startswith("flt")),
            duration_s=float(stream.get("duration") or container.get("duration") or 0),
            origin_s=float(stream.get("start_time") or 0),
            container=str(container.get("format_name", "")).partition(",")[0],
            has_picture=bool(pictures),
            picture_start_s=min((float(each.get("start_time") or 0) for each in pictures), default=None),
            language=tags.get("language"),
            title=tags.get("title"),
        )
    except (KeyError, ValueError, TypeError):
        raise NotMedia from None
    if codec in ("", "none", "unknown") or track.channels < 1:
        raise NotMedia
    return track

"""The last step of a result that is more than its samples: level, and a video's other streams."""

from collections.abc import Iterator
from pathlib import Path

from munsit_denoise.media.encode import output_options, write_failure
from munsit_denoise.media.ffmpeg import Limits, finish, input_options
from munsit_denoise.media.formats import Encoding
from munsit_denoise.media.loudness import Levelling, measure_loudness
from munsit_denoise.media.probe import AudioTrack

TEXT_SUBTITLES = {"mp4": "mov_text", "mov": "mov_text", "matroska": "srt", "webm": "webvtt"}  # by container
PICTURE_ENCODERS = {"webm": "libvpx-vp9", "mpeg": "mpeg2video", "flv": "flv", "asf": "wmv2", "avi": "mpeg4"}
MAX_LEVELLINGS = 6
SECONDS_PER_SECOND = 20  # a picture that has to be encoded anew may take so long


async def write_result(
    sound: Path, target: Path, track: AudioTrack, encoding: Encoding, *, picture: Path | None, level_lufs: float | None
) -> None:
    """Write a target from denoised sound, brought to a loudness, and with the other streams of a video.

    Raises ProcessingFailed, StorageFull.
    """
    if level_lufs is None:
        await _write(sound, target, track, encoding, picture, None)
        return
    levelling: Levelling | None = Levelling.towards(level_lufs, await measure_loudness(sound, track))
    for _ in range(MAX_LEVELLINGS):
        assert levelling is not None  # the loop ends where there is nothing to correct
        await _write(sound, target, track, encoding, picture, levelling.filters(track))
        levelling = levelling.corrected(level_lufs, await measure_loudness(target, track))
        if levelling is None:
            return


async def _write(
    sound: Path, target: Path, track: AudioTrack, encoding: Encoding, picture: Path | None, filters: str | None
) -> None:
    chain = ",".join(filter(None, (filters, encoding.filters)))
    filtered = ["-filter:a:0", chain] if chain else []
    for other in _other_streams(picture, encoding):
        arguments = ["-v", "quiet", "-nostdin", "-y", *input_options(sound), *other]
        arguments += [*encoding.options, *filtered, "-max_muxing_queue_size", "4096"]
        arguments += output_options(target, encoding)
        limits = Limits(cpu_s=60 + int(SECONDS_PER_SECOND * track.duration_s), open_files=128)
        timeout_s = 60 + SECONDS_PER_SECOND * track.duration_s
        done = await finish("ffmpeg" if picture else "encoder", arguments, limits, timeout_s=timeout_s)
        if done.code == 0:
            return
    raise write_failure(target)


def _other_streams(picture: Path | None, encoding: Encoding) -> Iterator[list[str]]:
    """Yield the options for a video's other streams, the most faithful first.

    Everything copied; then text subtitles in the container's own form; then without subtitles; then with the
    picture encoded anew, for containers that do not take its codec.
    """
    if picture is None:
        yield ["-map", "0:a:0", "-map_metadata", "-1"]
        return
    source = [*input_options(picture), "-map_metadata", "1", "-map_chapters", "1"]
    streams = ["-map", "1:v?", "-map", "0:a:0", "-map", "1:a?", "-map", "-1:a:0"]
    subtitles = ["-map", "1:s?"]
    yield [*source, *streams, *subtitles, "-map", "1:t?", "-c", "copy"]
    text = TEXT_SUBTITLES.get(encoding.muxer)
    if text:
        yield [*source, *streams, *subtitles, "-c", "copy", "-c:s", text]
    yield [*source, *streams, "-c", "copy"]
    encoder = PICTURE_ENCODERS.get(encoding.muxer, "libx264")
    anew = ["-c:v", encoder, *(("-crf", "20", "-preset", "veryfast", "-pix_fmt", "yuv420p") * (encoder == "libx264"))]
    anew += ["-q:v", "3"] if encoder not in ("libx264", "libvpx-vp9") else []
    others = ["-map", "1:V:0", "-map", "0:a:0"]
    yield [*source, *others, *anew]

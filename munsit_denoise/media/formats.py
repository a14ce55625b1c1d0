"""The files that results can be: by extension, the container, the codec and what they can hold."""

import re
from dataclasses import dataclass

from munsit_denoise.errors import InvalidOption
from munsit_denoise.media.layouts import folded, holds, nearest, places, relabelled
from munsit_denoise.media.probe import AudioTrack

MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# These codecs work in frames of 1,152 to 2,048 samples and their files do not say how many of the first and last
# are padding: at a low rate a recording would grow or move by a tenth of a second, so slower ones are brought up.
FAST_RATES_HZ = (44_100, 48_000)
AAC_RATES_HZ = (44_100, 48_000, 64_000, 88_200, 96_000)
WMA_FRAME = 2_048  # samples that decoders drop at the start
AC3_RATES_HZ = (32_000, 44_100, 48_000)
ANY = 64  # channels
STEREO = ("mono", "stereo")
# Layouts whose channels these codecs keep in their order. Opus and Vorbis know no others, AAC none that players know.
XIPH_LAYOUTS = (*STEREO, "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
AAC_MORE = ("hexagonal", "6.1(back)", "7.0", "7.1", "7.1(wide)", "octagonal")
AAC_LAYOUTS = (*STEREO, "2.1", "3.0", "3.0(back)", "4.0", "quad", "3.1", "5.0", "4.1", "5.1", *AAC_MORE)
AC3_LAYOUTS = (*STEREO, "2.1", "3.0", "3.0(back)", "4.0", "quad(side)", "3.1", "5.0(side)", "4.1", "5.1(side)")


@dataclass(frozen=True)
class Codec:
    """An encoder, its bit rate for one channel (None: by quality, or lossless), and its limits."""

    encoder: str
    options: tuple[str, ...] = ()
    bits_per_second: int | None = None
    rates_hz: tuple[int, ...] = ()  # none: any
    layouts: tuple[str, ...] = STEREO  # none: any
    max_channels: int = 2
    dropped_samples: int = 0  # at the start, by decoders
    in_layout: tuple[str, ...] = ()  # options for more than two channels that lie in one of the layouts
    discrete: tuple[str, ...] = ()  # options for channels without places


MP3 = Codec("libmp3lame", ("-q:a", "2"), rates_hz=MP3_RATES_HZ)
MP2 = Codec("mp2", bits_per_second=128_000, rates_hz=FAST_RATES_HZ)
AAC = Codec("aac", bits_per_second=96_000, rates_hz=AAC_RATES_HZ, layouts=AAC_LAYOUTS, max_channels=8)
VORBIS = Codec("libvorbis", ("-q:a", "6"), layouts=XIPH_LAYOUTS, max_channels=ANY)
OPUS = Codec(
    "libopus",
    bits_per_second=64_000,
    layouts=XIPH_LAYOUTS,
    max_channels=ANY,
    in_layout=("-mapping_family:a:0", "1"),  # ffmpeg's own choice writes 5.0 and 6.1 in a wrong order
    discrete=("-mapping_family:a:0", "255"),
)
FLAC = Codec("flac", layouts=(), max_channels=8)
WMA = Codec("wmav2", bits_per_second=96_000, rates_hz=FAST_RATES_HZ, dropped_samples=WMA_FRAME)
AC3 = Codec("ac3", bits_per_second=128_000, rates_hz=AC3_RATES_HZ, layouts=AC3_LAYOUTS, max_channels=6)
AMR_BITS_PER_SECOND = 12_200
AMR = Codec(
    "libopencore_amrnb", bits_per_second=AMR_BITS_PER_SECOND, rates_hz=(8_000,), layouts=("mono",), max_channels=1
)
PCM = Codec("pcm_s16le", layouts=(), max_channels=ANY)
PCM_BIG_ENDIAN = Codec("pcm_s16be", layouts=(), max_channels=ANY)

FORMATS: dict[str, tuple[str, Codec]] = {  # extension: ffmpeg's name of the container, codec
    "wav": ("wav", PCM),
    "flac": ("flac", FLAC),
    "aiff": ("aiff", PCM_BIG_ENDIAN),
    "aif": ("aiff", PCM_BIG_ENDIAN),
    "mp3": ("mp3", MP3),
    "mp2": ("mp2", MP2),
    "m4a": ("ipod", AAC),
    "m4b": ("ipod", AAC),
    "aac": ("adts", AAC),
    "ogg": ("ogg", VORBIS),
    "oga": ("oga", VORBIS),
    "opus": ("opus", OPUS),
    "wma": ("asf", WMA),
    "asf": ("asf", WMA),
    "amr": ("amr", AMR),
    "ac3": ("ac3", AC3),
    "mka": ("matroska", FLAC),
    "caf": ("caf", PCM),
    "au": ("au", PCM_BIG_ENDIAN),
    "w64": ("w64", PCM),
    "mp4": ("mp4", AAC),
    "m4v": ("mp4", AAC),
    "mov": ("mov", AAC),
    "3gp": ("3gp", AAC),
    "ts": ("mpegts", AAC),
    "mkv": ("matroska", OPUS),
    "webm": ("webm", OPUS),
    "avi": ("avi", Codec("libmp3lame", ("-b:a", "192k"), rates_hz=MP3_RATES_HZ)),
    "wmv": ("asf", WMA),
    "flv": ("flv", Codec("libmp3lame", ("-q:a", "2"), rates_hz=(44_100,))),
    "mpg": ("mpeg", MP2),
    "mpeg": ("mpeg", MP2),
}
OTHER_CODECS = {  # for channels that the first one does not hold as they are
    "ogg": (OPUS,),
    "oga": (OPUS,),
    "mka": (OPUS,),
    "mkv": (FLAC,),
    "avi": (AC3,),
    "flv": (AAC,),
    "mpg": (AC3,),
    "mpeg": (AC3,),
}
WITH_PICTURE = frozenset({"mp4", "m4v", "mov", "mkv", "webm", "avi", "wmv", "asf", "flv", "mpg", "mpeg", "3gp", "ts"})


MEDIA_TYPES = {  # by extension (IANA's registry where it has one)
    "wav": "audio/wav",
    "flac": "audio/flac",
    "aiff": "audio/aiff",
    "aif": "audio/aiff",
    "mp3": "audio/mpeg",
    "mp2": "audio/mpeg",
    "m4a": "audio/mp4",
    "m4b": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "wma": "audio/x-ms-wma",
    "amr": "audio/amr",
    "ac3": "audio/ac3",
    "mka": "audio/x-matroska",
    "caf": "audio/x-caf",
    "au": "audio/basic",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "3gp": "video/3gpp",
    "ts": "video/mp2t",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "wmv": "video/x-ms-wmv",
    "asf": "video/x-ms-asf",
    "flv": "video/x-flv",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
}


# media types that are written beside those of the registry, without `x-` and `vnd.`
SUBTYPES = {
    "wave": "wav",
    "mpeg3": "mp3",
    "mpa": "mp2",
    "3gpp2": "3g2",
    "m4a-latm": "m4a",
}


@dataclass(frozen=True)
class Encoding:
    """What becomes of the samples: ffmpeg's name of the container, and its options for the first audio track."""

    muxer: str
    options: tuple[str, ...]
    filters: str = ""  # for the samples before they are encoded


def result_extension(wanted: str | None, own: str) -> str:
    """Return the extension of a result: what a client wants, else the source's own, else WAV.

    Raises InvalidOption for a wanted one that cannot be written.
    """
    if not wanted:
        return own if own in FORMATS else "wav"
    extension = wanted.removeprefix(".").lower()
    if extension not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise InvalidOption(f"Files of the type {extension[:20]!r} cannot be written. These can: {known}.")
    return extension


def media_type(extension: str) -> str:
    """Return the Content-Type of a file."""
    return MEDIA_TYPES.get(extension, "application/octet-stream")


def extension_for_type(kind: str) -> str | None:
    """Return the extension of files of a media type, as clients write it; None where it is not known."""
    for extension, own in MEDIA_TYPES.items():
        if own == kind:
            return extension
    subtype = re.sub(r"^(x-|vnd\.)", "", kind.partition("/")[2])
    return subtype if subtype in FORMATS else SUBTYPES.get(subtype)


def encoding_for(extension: str, track: AudioTrack) -> Encoding:
    """Return the encoding for one of FORMATS, as near to the source's rate and channels as it can be."""
    muxer, first = FORMATS[extension]
    codec, channels, pan, more = _fitted((first, *OTHER_CODECS.get(extension, ())), track)
    higher = [rate for rate in codec.rates_hz if rate >= track.sample_rate_hz]
    rate_hz = min(higher, default=codec.rates_hz[-1]) if codec.rates_hz else track.sample_rate_hz
    encoder = _pcm(codec.encoder, track) if codec.encoder.startswith("pcm_") else codec.encoder
    options = ["-c:a:0", encoder, *codec.options, *more]
    if codec.bits_per_second:
        # no codec needs six bits a sample
        options += ["-b:a:0", str(channels * min(codec.bits_per_second, max(6 * rate_hz, AMR_BITS_PER_SECOND)))]
    if encoder == "flac" and (track.bits > 16 or track.is_float):
        options += ["-sample_fmt:a:0", "s32", "-bits_per_raw_sample:a:0", "24"]
    if rate_hz != track.sample_rate_hz:
        options += ["-ar:a:0", str(rate_hz)]
    if muxer == "wav":
        options += ["-rf64", "auto"]
    lead = f"aresample={rate_hz},adelay={codec.dropped_samples}S:all=1" if codec.dropped_samples else ""
    # codecs make noise of what is far above full scale; integers end there
    bounded = "aformat=sample_fmts=s32|s32p" if track.is_float and not encoder.startswith("pcm_f") else ""
    return Encoding(muxer, tuple(options), ",".join(filter(None, (pan, bounded, lead))))


def _fitted(codecs: tuple[Codec, ...], track: AudioTrack) -> tuple[Codec, int, str, tuple[str, ...]]:
    """Return the codec that keeps most of a track's channels, how many, and the filter and options for them.

    Best is one that knows their places, then one that keeps them apart under other names; else they are folded.
    """
    own, channels = places(track.layout, track.channels), track.channels
    holding = [codec for codec in codecs if channels <= codec.max_channels]
    for codec in holding:
        if not codec.layouts:
            return codec, channels, "", ()
        known = next((each for each in codec.layouts if holds(each, own)), None)
        if known:
            return codec, channels, _renamed(known, track), codec.in_layout if channels > 2 else ()
    for codec in holding:
        if codec.discrete and channels > 2:
            return codec, channels, "", codec.discrete
        other = nearest(own, channels, codec.layouts)
        if other:
            return codec, channels, relabelled(other, channels), ()
        if codec.encoder == "libvorbis" and channels > 8:
            return codec, channels, "", ()
    codec = max(codecs, key=lambda each: each.max_channels) if own else codecs[0]
    fewer, pan = folded(own, channels, codec.layouts or XIPH_LAYOUTS)
    return codec, fewer, pan, ()


def _renamed(known: str, track: AudioTrack) -> str:
    return "" if known == track.layout else relabelled(known, track.channels)


def wav_encoding(track: AudioTrack) -> Encoding:
    """Return a WAV that keeps the resolution of the source: 16 or 24 bits, or float."""
    return encoding_for("wav", track)


def lossless_encoding() -> Encoding:
    """Return a WAV of 32-bit float, for what goes on to another step."""
    return Encoding("wav", ("-c:a:0", "pcm_f32le", "-rf64", "auto"))


def _pcm(encoder: str, track: AudioTrack) -> str:
    ending = encoder[-2:]
    return f"pcm_f32{ending}" if track.is_float else f"pcm_s24{ending}" if track.bits > 16 else encoder

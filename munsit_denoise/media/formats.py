"""The output formats: for each extension the container, the codec and its limits."""

from dataclasses import dataclass, replace

from munsit_denoise.errors import InvalidOption
from munsit_denoise.media.layouts import folded, holds, nearest, places, relabelled
from munsit_denoise.media.probe import AudioTrack

MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# These codecs use frames of 1,152 to 2,048 samples, and their files do not say how many of the first and last samples
# are padding. At a low rate, a recording would become longer or shift by a tenth of a second, so low rates are raised.
FAST_RATES_HZ = (44_100, 48_000)
AAC_RATES_HZ = (44_100, 48_000, 64_000, 88_200, 96_000)
WMA_FRAME = 2_048  # samples that decoders drop at the start
AC3_RATES_HZ = (32_000, 44_100, 48_000)
ANY = 64  # channels
STEREO = ("mono", "stereo")
# Layouts whose channel order these codecs keep. Opus and Vorbis have no others, AAC no others that players know.
XIPH_LAYOUTS = (*STEREO, "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
AAC_MORE = ("hexagonal", "6.1(back)", "7.0", "7.1", "7.1(wide)", "octagonal")
AAC_LAYOUTS = (*STEREO, "2.1", "3.0", "3.0(back)", "4.0", "quad", "3.1", "5.0", "4.1", "5.1", *AAC_MORE)
AC3_LAYOUTS = (*STEREO, "2.1", "3.0", "3.0(back)", "4.0", "quad(side)", "3.1", "5.0(side)", "4.1", "5.1(side)")


@dataclass(frozen=True)
class Codec:
    """An encoder, its bit rate per channel (None: by quality, or lossless), and its limits."""

    encoder: str
    options: tuple[str, ...] = ()
    bits_per_second: int | None = None
    rates_hz: tuple[int, ...] = ()  # empty: any
    layouts: tuple[str, ...] = STEREO  # empty: any
    max_channels: int = 2
    dropped_samples: int = 0  # dropped by decoders at the start
    least_samples: int = 960  # shorter sound is padded with silence, because resamplers or decoders would lose it
    in_layout: tuple[str, ...] = ()  # options for more than two channels in one of the layouts
    discrete: tuple[str, ...] = ()  # options for channels without positions


MP3 = Codec("libmp3lame", ("-q:a", "2"), rates_hz=MP3_RATES_HZ)
MP2 = Codec("mp2", bits_per_second=128_000, rates_hz=FAST_RATES_HZ, least_samples=2 * 1_152)
AAC = Codec("aac", bits_per_second=96_000, rates_hz=AAC_RATES_HZ, layouts=AAC_LAYOUTS, max_channels=8)
VORBIS = Codec("libvorbis", ("-q:a", "6"), layouts=XIPH_LAYOUTS, max_channels=ANY)
OPUS = Codec(
    "libopus",
    bits_per_second=64_000,
    layouts=XIPH_LAYOUTS,
    max_channels=ANY,
    in_layout=("-mapping_family:a:0", "1"),  # by default, ffmpeg writes 5.0 and 6.1 in the wrong order
    discrete=("-mapping_family:a:0", "255"),
)
# by default, ffmpeg makes frames as long as the sound, and fails below 16 samples
FLAC = Codec("flac", ("-frame_size:a:0", "4608"), layouts=(), max_channels=8, least_samples=0)
WMA = Codec("wmav2", bits_per_second=96_000, rates_hz=FAST_RATES_HZ, dropped_samples=WMA_FRAME)
AC3 = Codec(
    "ac3", bits_per_second=128_000, rates_hz=AC3_RATES_HZ, layouts=AC3_LAYOUTS, max_channels=6, least_samples=4 * 1_536
)
AMR_BITS_PER_SECOND = 12_200
AMR = Codec(
    "libopencore_amrnb", bits_per_second=AMR_BITS_PER_SECOND, rates_hz=(8_000,), layouts=("mono",), max_channels=1
)
PCM = Codec("pcm_s16le", layouts=(), max_channels=ANY, least_samples=0)
ALAC_LAYOUTS = (*STEREO, "3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)")
ALAC = Codec("alac", layouts=ALAC_LAYOUTS, max_channels=8, least_samples=0)
PCM_BIG_ENDIAN = Codec("pcm_s16be", layouts=(), max_channels=ANY, least_samples=0)

FORMATS: dict[str, tuple[str, Codec]] = {  # extension: ffmpeg's name of the container, codec
    "wav": ("wav", PCM),
    "flac": ("flac", FLAC),
    "aiff": ("aiff", PCM_BIG_ENDIAN),
    "aif": ("aiff", PCM_BIG_ENDIAN),
    "mp3": ("mp3", MP3),
    "mp2": ("mp2", MP2),
    "m4a": ("ipod", AAC),
    "m4b": ("ipod", AAC),
    "aac": ("adts", replace(AAC, least_samples=4 * 1_024)),
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
    "vob": ("vob", AC3),
    "m2ts": ("mpegts", AC3),
    "mts": ("mpegts", AC3),
    "ogv": ("ogg", VORBIS),
    "3g2": ("3g2", AAC),
    "mxf": ("mxf", Codec("pcm_s16le", rates_hz=(48_000,), layouts=(), max_channels=ANY)),
}
OTHER_CODECS = {  # for channels that the first codec cannot hold unchanged
    "ogg": (OPUS,),
    "oga": (OPUS,),
    "mka": (OPUS,),
    "mkv": (FLAC,),
    "avi": (AC3,),
    "flv": (AAC,),
    "mpg": (AC3,),
    "mpeg": (AC3,),
    "ogv": (OPUS,),
}
LOSSLESS = {  # source container and codec that stay lossless in the same container, by ffmpeg's names
    "mov": {"pcm": PCM, "alac": ALAC},
    "ipod": {"alac": ALAC},
    "mp4": {"alac": ALAC, "flac": FLAC},
    "matroska": {"pcm": FLAC, "flac": FLAC, "alac": FLAC, "tta": FLAC, "wavpack": FLAC, "truehd": FLAC},
    "avi": {"pcm": PCM},
    "ogg": {"flac": FLAC},
    "oga": {"flac": FLAC},
    "caf": {"alac": ALAC},
}
DEMUXERS = {"ipod": "mov", "mp4": "mov", "oga": "ogg"}  # the demuxer for what a muxer of another name wrote
MUXER_OPTIONS = {"wav": ("-rf64", "auto")} | dict.fromkeys(("m2ts", "mts"), ("-mpegts_m2ts_mode", "1"))
PLACELESS = ("-guess_layout_max", "2")  # for our own WAV files: more than two channels without a mask have no positions
FILMS = ("mp4", "m4v", "mov", "mkv", "webm", "avi", "wmv", "asf", "flv", "mpg", "mpeg", "vob", "ts", "m2ts", "mts")
NEEDS_PICTURE = "mxf"
NO_PICTURE = "An MXF file cannot be written without a picture. Please ask for another format."
WITH_PICTURE = frozenset({*FILMS, "3gp", "3g2", "ogv", "mxf"})


@dataclass(frozen=True)
class Encoding:
    """How samples are encoded: ffmpeg's name of the container, and its options for the first audio track."""

    muxer: str
    options: tuple[str, ...]
    filters: str = ""  # applied to the samples before encoding
    inputs: tuple[str, ...] = ()  # options that open further inputs
    lead_s: float = 0.0  # duration of silence that the filters put before the samples


def result_extension(wanted: str | None, own: str, *, has_picture: bool = True) -> str:
    """Return the extension of a result: the client's choice, else the source's own, else WAV.

    Raises InvalidOption for a choice that cannot be written.
    """
    if not wanted:
        return own if own in FORMATS and (has_picture or own != NEEDS_PICTURE) else "wav"
    extension = wanted.removeprefix(".").lower()
    if extension not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise InvalidOption(f"Files of the type {extension[:20]!r} cannot be written. These can: {known}.", "extension")
    if extension == NEEDS_PICTURE and not has_picture:
        raise InvalidOption(NO_PICTURE, option="extension")
    return extension


def encoding_for(extension: str, track: AudioTrack) -> Encoding:
    """Return the encoding for one of FORMATS, as close to the source's rate and channels as possible."""
    muxer, first = FORMATS[extension]
    first = _own_codec(muxer, track) or first
    codec, channels, pan, more = _fitted((first, *OTHER_CODECS.get(extension, ())), track)
    higher = [rate for rate in codec.rates_hz if rate >= track.sample_rate_hz]
    rate_hz = min(higher, default=codec.rates_hz[-1]) if codec.rates_hz else track.sample_rate_hz
    encoder = _pcm(codec.encoder, track) if codec.encoder.startswith("pcm_") else codec.encoder
    encoder = encoder.replace("f32", "s24") if muxer == "mxf" else encoder
    options = ["-c:a:0", encoder, *codec.options, *more]
    if codec.bits_per_second:
        # no codec needs more than six bits per sample
        options += ["-b:a:0", str(channels * min(codec.bits_per_second, max(6 * rate_hz, AMR_BITS_PER_SECOND)))]
    if encoder in ("flac", "alac"):
        options += _sample_options(encoder, track)
    if rate_hz != track.sample_rate_hz:
        options += ["-ar:a:0", str(rate_hz)]
    options += MUXER_OPTIONS.get(extension, ())
    lead = f"aresample={rate_hz},adelay={codec.dropped_samples}S:all=1" if codec.dropped_samples else ""
    least_s = codec.least_samples / rate_hz
    filled = f"apad=whole_dur={least_s:.6f}" if track.duration_s < least_s else ""
    # codecs turn samples far above full scale into noise; integers clip them
    bounded = "aformat=sample_fmts=s32|s32p" if track.is_float and not encoder.startswith("pcm_f") else ""
    filters = ",".join(filter(None, (pan, bounded, filled, lead)))
    return Encoding(muxer, tuple(options), filters, lead_s=codec.dropped_samples / rate_hz)


def _own_codec(muxer: str, track: AudioTrack) -> Codec | None:
    """Return the codec that keeps a lossless source lossless in the same container."""
    if track.container != DEMUXERS.get(muxer, muxer):
        return None
    return LOSSLESS.get(muxer, {}).get(track.codec.partition("_")[0])


def _fitted(codecs: tuple[Codec, ...], track: AudioTrack) -> tuple[Codec, int, str, tuple[str, ...]]:
    """Return the codec that keeps most of a track's channels, their number, and the filter and options.

    First choice is a codec that knows their positions, then one that keeps them separate under other names; otherwise
    they are mixed down.
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
    """Return a WAV with the resolution of the source: 16 or 24 bits, or float."""
    return encoding_for("wav", track)


def lossless_encoding() -> Encoding:
    """Return a WAV of 32-bit float, for a further step."""
    return Encoding("wav", ("-c:a:0", "pcm_f32le", "-rf64", "auto"))


def _sample_options(encoder: str, track: AudioTrack) -> tuple[str, ...]:
    """Return the options for 16 or 24 bits per sample, as in the source; ffmpeg's default is 24."""
    planar = "p" if encoder == "alac" else ""
    if track.bits > 16 or track.is_float:
        return ("-sample_fmt:a:0", f"s32{planar}", "-bits_per_raw_sample:a:0", "24")
    return ("-sample_fmt:a:0", f"s16{planar}")


def _pcm(encoder: str, track: AudioTrack) -> str:
    ending = encoder[-2:]
    return f"pcm_f32{ending}" if track.is_float else f"pcm_s24{ending}" if track.bits > 16 else encoder

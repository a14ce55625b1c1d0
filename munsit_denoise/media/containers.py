"""The streams that players can read in each video container, by ffmpeg's name of the muxer.

A muxer accepts more: MPEG program streams take H.264 and transport streams VP9, but no player shows them.
"""

from dataclasses import dataclass

BROADCAST_RATES_HZ = ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")  # frame rates


@dataclass(frozen=True)
class PictureEncoder:
    """How a picture is encoded again: fast on any processor, in a quality that looks like the source."""

    name: str
    options: tuple[str, ...]
    rates_hz: tuple[str, ...] = ()  # frame rates; empty: any, also variable ones
    codec: str = ""  # ffmpeg's name of the result


X264 = PictureEncoder("libx264", ("-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"), codec="h264")
VP8 = PictureEncoder(
    "libvpx",
    ("-deadline", "realtime", "-cpu-used", "8", "-crf", "12", "-b:v", "20M", "-threads", "4", "-pix_fmt", "yuv420p"),
    codec="vp8",
)
MPEG2 = PictureEncoder("mpeg2video", ("-q:v", "3", "-g", "12", "-pix_fmt", "yuv420p"), BROADCAST_RATES_HZ, "mpeg2video")
MPEG4 = PictureEncoder("mpeg4", ("-q:v", "3", "-pix_fmt", "yuv420p"), ("any",), "mpeg4")
WMV2 = PictureEncoder("wmv2", ("-q:v", "3", "-pix_fmt", "yuv420p"), codec="wmv2")
THEORA = PictureEncoder("libtheora", ("-q:v", "8", "-pix_fmt", "yuv420p"), ("any",), "theora")


@dataclass(frozen=True)
class Container:
    """The streams that a container can hold, by ffmpeg's names of codecs."""

    encoder: PictureEncoder
    pictures: frozenset[str]  # empty: any
    sounds: frozenset[str]  # sound that is copied; other sound is encoded; empty: any
    subtitles: frozenset[str] = frozenset()  # subtitles that are copied
    text: str | None = None  # the codec for text subtitles
    holds_attachments: bool = False
    data: frozenset[str] = frozenset()
    from_picture: bool = False  # has no time stamps: sound and picture start together
    sound_tracks: int = 64


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


MP4_SOUNDS = _set("aac mp3 mp2 ac3 eac3 alac opus flac")
MOV_SOUNDS = MP4_SOUNDS - {"opus", "flac"} | _set(
    "apac unknown pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be "
    "pcm_u8 pcm_s8 pcm_mulaw pcm_alaw adpcm_ima_qt qdm2 qcelp amr_nb amr_wb"
)
MOV_PICTURES = _set(
    "h264 hevc mpeg4 mpeg2video mpeg1video mjpeg prores dnxhd dvvideo h263 svq1 svq3 cinepak rpza qtrle png rawvideo "
    "jpeg2000 cfhd hap av1 vp9"
)
MP4 = Container(
    X264, _set("h264 hevc mpeg4 mpeg2video mpeg1video av1 vp9"), MP4_SOUNDS, _set("mov_text dvd_subtitle"), "mov_text"
)
MPEG_PICTURES = _set("mpeg1video mpeg2video")
TRANSPORT = Container(
    X264,
    MPEG_PICTURES | _set("h264 hevc mpeg4 vc1 cavs"),
    _set("aac aac_latm mp2 mp3 ac3 eac3 dts truehd pcm_bluray opus"),
    _set("dvb_subtitle dvb_teletext hdmv_pgs_subtitle"),
    data=_set("klv timed_id3 scte_35"),
)
THREE_GPP = Container(X264, _set("h264 h263 mpeg4"), _set("aac amr_nb amr_wb"), _set("mov_text"), "mov_text")
CONTAINERS = {
    "mp4": MP4,
    "ipod": MP4,
    "mov": Container(X264, MOV_PICTURES, MOV_SOUNDS, _set("mov_text eia_608"), "mov_text"),
    "3gp": THREE_GPP,
    "matroska": Container(
        X264,
        frozenset(),
        frozenset(),
        _set("subrip srt ass ssa webvtt text hdmv_pgs_subtitle dvd_subtitle dvb_subtitle hdmv_text_subtitle"),
        "srt",
        holds_attachments=True,
    ),
    "webm": Container(VP8, _set("vp8 vp9 av1"), _set("opus vorbis"), _set("webvtt"), "webvtt"),
    "avi": Container(
        MPEG4,
        _set(
            "mpeg4 msmpeg4v1 msmpeg4v2 msmpeg4v3 mjpeg h264 mpeg1video mpeg2video dvvideo huffyuv ffvhuff ffv1 "
            "rawvideo h263 wmv1 wmv2 wmv3 vc1 cinepak indeo2 indeo3 indeo4 indeo5 msvideo1 msrle utvideo magicyuv"
        ),
        _set("mp3 mp2 ac3 dts pcm_s16le pcm_s24le pcm_u8 adpcm_ms adpcm_ima_wav wmav1 wmav2"),
        from_picture=True,
    ),
    "mpegts": TRANSPORT,
    "mpeg": Container(MPEG2, MPEG_PICTURES, _set("mp2 mp3 mp1 ac3 dts"), _set("dvd_subtitle")),
    "vob": Container(MPEG2, MPEG_PICTURES, _set("mp2 mp3 mp1 ac3 dts"), _set("dvd_subtitle")),
    "flv": Container(X264, _set("h264 flv1 vp6f vp6a flashsv flashsv2"), _set("mp3 aac"), sound_tracks=1),
    "asf": Container(
        WMV2,
        _set("wmv1 wmv2 wmv3 vc1 msmpeg4v1 msmpeg4v2 msmpeg4v3 mpeg4 mjpeg"),
        _set("wmav1 wmav2 wmapro wmalossless wmavoice mp3 pcm_s16le"),
    ),
    "ogg": Container(THEORA, _set("theora"), _set("vorbis opus flac speex")),
    "3g2": THREE_GPP,
    "mxf": Container(
        MPEG2,
        _set("mpeg2video dnxhd dvvideo prores jpeg2000 h264"),
        _set("pcm_s16le pcm_s24le"),
        from_picture=True,
    ),
}

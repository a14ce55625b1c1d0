"""Which tags a result keeps, in ffmpeg's format: https://ffmpeg.org/ffmpeg-formats.html#Metadata."""

import re
from collections.abc import Iterable

from munsit_denoise.media.contents import Chapter, Contents

OF_THE_FILE = re.compile(  # tags that describe the encoder, the layout or the loudness of one file only
    r"encoder|encoding_tool|major_brand|minor_version|compatible_brands|vendor_id|handler_name|duration|"
    r"number_of_(frames|bytes)(-\w+)?|bps(-\w+)?|duration-\w+|_statistics_\S*|itunnorm|itunsmpb|itunes_cddb_.*|"
    r"replaygain_\S*|r128_\S*|loudness_\S+|max_(true_peak|momentary|shortterm)\S*|tlen|tsse|isvbr|isfile|"
    r"deviceconformancetemplate|wmfsdk(version|needed)|waveformatextensible_channel_mask|metadata_block_picture|"
    r"aspectratio[xy]|peakvalue|averagelevel|variant_bitrate|totalduration|totaldatarate|filesize|"
    r"videodatarate|audiodatarate|metadatacreator|hasaudio|hasvideo|hasmetadata",
    re.IGNORECASE,
)
OF_A_TRACK = ("language", "title")
MIN_SHIFT_S = 0.1  # of a clock that starts after zero; a smaller shift is an encoder's delay
APPLE_PREFIX = "com."  # of keys that only QuickTime's tags can hold
BROADCAST = {"description": "comment", "originator": "encoded_by", "origination_date": "date"}  # field of bext: tag


def kept_tags(contents: Contents, track_index: int) -> dict[str, str]:
    """Return the tags of a recording that also apply to its result."""
    tags = dict(contents.tags)
    if contents.container == "ogg":  # Ogg has tags in its streams
        for stream in (*contents.of_kind("a")[track_index:][:1], *contents.of_kind("v")[:1]):
            tags = {**stream.tags, **tags}
    return _dated({key: value for key, value in tags.items() if not OF_THE_FILE.fullmatch(key) and _own(key, tags)})


def _own(key: str, tags: dict[str, str]) -> bool:
    """Return whether a tag is not a copy of another with a language suffix, which ffmpeg adds."""
    base, dash, language = key.rpartition("-")
    return not (dash and len(language) == 3 and base in tags)


def _dated(tags: dict[str, str]) -> dict[str, str]:
    """Return tags with a complete creation time; a broadcast WAV stores date and time of day separately."""
    time = tags.get("creation_time", "")
    if not re.fullmatch(r"\d\d[:.-]\d\d[:.-]\d\d", time):
        return tags
    others = {key: value for key, value in tags.items() if key != "creation_time"}
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", tags.get("date", "")):
        return others
    return {**others, "creation_time": f"{tags['date']}T{re.sub('[.-]', ':', time)}Z"}


def broadcast_tags(tags: dict[str, str]) -> dict[str, str]:
    """Return the fields of a bext chunk, if the tags come from one; otherwise nothing."""
    if not tags.get("time_reference", "").isdigit():
        return {}
    found = {name: tags[key] for name, key in BROADCAST.items() if key in tags}
    found["time_reference"] = tags["time_reference"]
    if time := re.search(r"T(\d\d:\d\d:\d\d)", tags.get("creation_time", "")):
        found["origination_time"] = time[1]
    return found


def track_tags(contents: Contents, track_index: int) -> dict[str, str]:
    """Return language and title of an audio track, if they are not those of the recording."""
    if contents.container == "ogg":
        return {}
    streams = contents.of_kind("a")[track_index:][:1]
    return {key: value for stream in streams for key, value in stream.tags.items() if key in OF_A_TRACK}


def metadata_text(tags: dict[str, str], chapters: Iterable[Chapter], shift_s: float) -> str:
    """Return tags and chapters in ffmpeg's format, with chapters moved earlier by a shift."""
    lines = [";FFMETADATA1", *(f"{_escaped(key)}={_escaped(value)}" for key, value in tags.items())]
    for chapter in chapters:
        start, end = (max(round(1e6 * (at_s - shift_s)), 0) for at_s in (chapter.start_s, chapter.end_s))
        lines += ["[CHAPTER]", "TIMEBASE=1/1000000", f"START={start}", f"END={max(end, start)}"]
        lines += [f"{_escaped(key)}={_escaped(value)}" for key, value in chapter.tags.items()]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", text.replace("\r\n", "\n").replace("\0", ""))


def shift_of(start_s: float) -> float:
    """Return how much earlier in the result something is, given the start of the original's clock."""
    return start_s if start_s > MIN_SHIFT_S else 0.0

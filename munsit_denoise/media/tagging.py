"""A separate program that adds tags and covers which ffmpeg does not write to a finished file.

It reads tags of untrusted files, so it runs with limits on memory and time (see metadata.py) and imports nothing of the
package. Its one argument is JSON: `source`, `target`, `kind` (of the target, one of KINDS), `covers` (each `path`,
`media_type`, `type`, `text`), `chapters` (each a start in seconds and a title), `copies` (whether the source's tags are
copied unchanged).
"""

import base64
import json
import re
import sys
from pathlib import Path
from struct import pack
from typing import Any

import mutagen
from mutagen._vorbis import VCommentDict
from mutagen.aiff import AIFF
from mutagen.asf import ASF, ASFTags
from mutagen.asf._attrs import ASFByteArrayAttribute
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3
from mutagen.id3._tags import save_frame
from mutagen.id3._util import ID3SaveConfig
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover, MP4Tags
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

KINDS: dict[str, Any] = {
    "mp3": MP3,
    "flac": FLAC,
    "vorbis": OggVorbis,
    "opus": OggOpus,
    "mp4": MP4,
    "asf": ASF,
    "aiff": AIFF,
    "wav": WAVE,
}
FAMILIES = (ID3, VCommentDict, MP4Tags, ASFTags)
PICTURE_BLOCK = "metadata_block_picture"
MAX_CHAPTERS = 999
MASK = "waveformatextensible_channel_mask"
UNTRUE = re.compile(  # names of tags of any kind that describe the file or its loudness
    r"(TXXX|COMM|RVA2):(replaygain_|r128_|iTun(NORM|SMPB)).*|(RVA2|RVAD|EQU2|EQUA|TSSE|TLEN|MLLT|ASPI|SEEK|TSIZ)(:.*)?|"
    r"replaygain_.*|r128_.*|encoder|----:com\.apple\.iTunes:(replaygain_.*|iTunNORM|iTunSMPB)|\xa9too|"
    r"WM/Encod.*|IsVBR|WMFSDK.*|DeviceConformanceTemplate|" + MASK,
    re.IGNORECASE,
)


def main(order: dict[str, Any]) -> None:
    """Copy the tags if source and target are of the same kind, then add the covers that are still missing."""
    target = KINDS[order["kind"]](order["target"])
    if target.tags is None:
        target.add_tags()
    source = opened(order["source"])
    family = next((each for each in FAMILIES if isinstance(target.tags, each)), None)
    if order["copies"] and source is not None and family is not None and isinstance(source.tags, family):
        copy_tags(source, target, family)
    if not has_cover(target):
        for cover in order["covers"]:
            add_cover(target, cover)
    if isinstance(target.tags, VCommentDict):
        add_chapters(target.tags, order["chapters"])
    if isinstance(target.tags, ID3):
        save_id3(target, 3 if getattr(getattr(source, "tags", None), "version", ())[:2] == (2, 3) else 4)
    else:
        target.save()


def save_id3(target: Any, version: int) -> None:
    """Save ID3v2 tags with chapters in order of time; mutagen would sort them by size."""
    tags = target.tags
    if version == 3:
        tags.update_to_v23()
    chapters = sorted(tags.getall("CHAP"), key=lambda frame: (frame.start_time, frame.element_id))
    tags.delall("CHAP")
    config = ID3SaveConfig(version, "/")
    tags.unknown_frames = [save_frame(frame, config=config) for frame in chapters]  # written unchanged
    tags._unknown_v2_version = version
    target.save(v2_version=version)


def add_chapters(tags: Any, chapters: list[tuple[float, str]]) -> None:
    """Add chapters as comments if there are none: https://wiki.xiph.org/Chapter_Extension."""
    if any(re.fullmatch(r"chapter\d\d\d", key, re.IGNORECASE) for key, _ in tags):
        return
    for number, (start_s, title) in enumerate(chapters[:MAX_CHAPTERS], start=1):
        minutes, milliseconds = divmod(round(1_000 * start_s), 60_000)
        time = f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1_000:02}.{milliseconds % 1_000:03}"
        tags[f"CHAPTER{number:03}"] = time
        tags[f"CHAPTER{number:03}NAME"] = title


def opened(path: str) -> Any:
    """Return a file's tags in their container, or None if they cannot be read."""
    try:
        return mutagen.File(path)
    except mutagen.MutagenError:
        return None


def copy_tags(source: Any, target: Any, family: type) -> None:
    """Replace the target's tags by the source's, without those that do not apply to the target."""
    mask = target.tags.get(MASK) if family is VCommentDict else None
    target.tags.clear()
    for key in list(source.tags.keys()):
        if not UNTRUE.fullmatch(key):
            target.tags[key] = source.tags[key]
    if mask:
        target.tags[MASK] = mask
    if family is VCommentDict:
        move_pictures(source, target)


def move_pictures(source: Any, target: Any) -> None:
    """Move pictures to where the target's container has them: blocks in FLAC, comments in Ogg."""
    blocks = [picture.write() for picture in getattr(source, "pictures", [])]
    blocks += [base64.b64decode(text) for text in source.tags.get(PICTURE_BLOCK) or []]
    if PICTURE_BLOCK in target.tags:
        del target.tags[PICTURE_BLOCK]
    for block in blocks:
        add_block(target, block)


def add_block(target: Any, block: bytes) -> None:
    """Add a picture in FLAC's format."""
    if isinstance(target, FLAC):
        target.add_picture(Picture(block))
    else:
        text = base64.b64encode(block).decode()
        target.tags[PICTURE_BLOCK] = [*(target.tags.get(PICTURE_BLOCK) or []), text]


def has_cover(target: Any) -> bool:
    """Return whether there is a cover."""
    if isinstance(target, FLAC) and target.pictures:
        return True
    return any(key in target.tags for key in (PICTURE_BLOCK, "covr", "WM/Picture")) or any(
        key.startswith("APIC")
        for key in target.tags.keys()  # noqa: SIM118 - some kinds are lists that know keys
    )


def add_cover(target: Any, cover: dict[str, Any]) -> None:
    """Add one cover in the target's format; MP4 accepts JPEG, PNG and BMP."""
    data = Path(cover["path"]).read_bytes()
    kind, text, media_type = cover["type"], cover["text"], cover["media_type"]
    if isinstance(target.tags, ID3):
        target.tags.add(APIC(encoding=3, mime=media_type, type=kind, desc=text, data=data))
    elif isinstance(target.tags, MP4Tags):
        forms = {"image/jpeg": MP4Cover.FORMAT_JPEG, "image/png": MP4Cover.FORMAT_PNG, "image/bmp": 27}
        if media_type in forms:
            target.tags["covr"] = [*target.tags.get("covr", []), MP4Cover(data, forms[media_type])]
    elif isinstance(target.tags, ASFTags):
        words = b"".join((word + "\0").encode("utf-16-le") for word in (media_type, text))
        block = ASFByteArrayAttribute(pack("<BI", kind, len(data)) + words + data)
        target.tags["WM/Picture"] = [*target.tags.get("WM/Picture", []), block]
    else:
        picture = Picture()
        picture.data, picture.mime, picture.type, picture.desc = data, media_type, kind, text
        add_block(target, picture.write())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

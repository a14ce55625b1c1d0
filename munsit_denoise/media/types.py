"""The Content-Type of each output format."""

import re

MEDIA_TYPES = {  # by extension, from IANA's registry where it has one
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
    "vob": "video/mpeg",
    "m2ts": "video/mp2t",
    "mts": "video/mp2t",
    "ogv": "video/ogg",
    "3g2": "video/3gpp2",
    "mxf": "application/mxf",
}

SOUND_TYPES = {  # of video containers that hold only sound
    "mp4": "audio/mp4",
    "webm": "audio/webm",
    "mkv": "audio/x-matroska",
    "3gp": "audio/3gpp",
    "3g2": "audio/3gpp2",
    "ogv": "audio/ogg",
    "wmv": "audio/x-ms-wma",
    "asf": "audio/x-ms-wma",
}

# other names of media types in use, without `x-` and `vnd.`
SUBTYPES = {
    "wave": "wav",
    "mpeg3": "mp3",
    "mpa": "mp2",
    "3gpp2": "3g2",
    "m4a-latm": "m4a",
}


def media_type(extension: str, *, has_picture: bool = True) -> str:
    """Return the Content-Type of a file; some containers have another one without a picture."""
    if not has_picture and extension in SOUND_TYPES:
        return SOUND_TYPES[extension]
    return MEDIA_TYPES.get(extension, "application/octet-stream")


def extension_for_type(kind: str) -> str | None:
    """Return the extension for a media type as clients write it, or None if it is unknown."""
    for extension, own in MEDIA_TYPES.items():
        if own == kind:
            return extension
    subtype = re.sub(r"^(x-|vnd\.)", "", kind.partition("/")[2])
    return subtype if subtype in MEDIA_TYPES else SUBTYPES.get(subtype)

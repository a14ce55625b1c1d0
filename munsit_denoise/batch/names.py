"""Names of results, and names as they are printed."""

import re
from pathlib import Path

from munsit_denoise.media.formats import FORMATS

# Extensions of formats that can only be read; their results are WAV.
READ_ONLY = frozenset({
    "3gpp", "adts", "aifc", "ape", "awb", "bwf", "dff", "divx", "dsf", "dts", "dtshd", "eac3", "ec3", "f4v",
    "gsm", "m2t", "mk3d", "mlp", "mpc", "mpga", "oma", "ogm", "ogx", "qt", "ra", "rf64", "rm", "rmvb", "snd",
    "spx", "tak", "thd", "tta", "voc", "weba", "wv", "xwma",
})  # fmt: skip
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def is_media_name(path: Path) -> bool:
    """Return whether a file has the extension of a recording or video."""
    extension = path.suffix[1:].lower()
    return extension in FORMATS or extension in READ_ONLY


def result_name(source: Path, extension: str) -> str:
    """Return the name of a file's result: the same name, with another extension if the format changes."""
    if source.suffix[1:].lower() == extension:
        return source.name
    stem = source.stem if is_media_name(source) else source.name
    return f"{stem}.{extension}"


def shown(path: Path | str) -> str:
    """Return a name for printing: on one line and without terminal control sequences."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

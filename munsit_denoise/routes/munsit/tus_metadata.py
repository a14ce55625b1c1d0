"""Parses the header Upload-Metadata, pairs of a key and a base64 value: `filename cmVjLndhdg==,filetype YXVkaW8=`."""

import base64
import binascii
import re

from munsit_denoise.errors import InvalidUpload
from munsit_denoise.media.types import extension_for_type
from munsit_denoise.names import last_component

KEY = re.compile(r"[!-+\x2d-~]+")  # visible ASCII without a comma
NAMES, TYPES = ("filename", "name"), ("filetype", "type")
BROKEN = "Upload-Metadata must be pairs like `filename cmVjLndhdg==`, separated by commas, each value in base64."


def read_metadata(header: str) -> dict[str, bytes]:
    """Return the values by key. Raises InvalidUpload."""
    found: dict[str, bytes] = {}
    for pair in header.split(",") if header.strip() else []:
        key, _, value = pair.strip().partition(" ")
        if not KEY.fullmatch(key) or key in found:
            raise InvalidUpload(BROKEN)
        try:
            found[key] = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidUpload(BROKEN) from None
    return found


def file_name_in(metadata: dict[str, bytes]) -> str:
    """Return the file's name, or one derived from its type."""
    given = next((metadata[key] for key in NAMES if metadata.get(key)), b"")
    kind = next((metadata[key] for key in TYPES if metadata.get(key)), b"")
    extension = extension_for_type(kind.decode("latin-1").partition(";")[0].strip().lower())
    return last_component(given.decode(errors="replace")) or (f"recording.{extension}" if extension else "recording")

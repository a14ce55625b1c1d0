"""The manifest of a backup: its files with their digests; a backup is complete once it has one."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from munsit_denoise.errors import CannotGoOn

FILE = "manifest.json"
DATABASE = "denoise.db"
FILES = "files"
FORMAT = 1
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class FileDigest:
    """Size and SHA-256 of a file."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of a backup."""

    version: str  # of munsit-denoise
    created_at: str  # ISO 8601, UTC
    installation: str | None
    schema: str  # the database's revision
    database: FileDigest
    files: Mapping[str, FileDigest]
    growing: list[str] = field(default_factory=list)  # keys of uploads in parts that were not complete
    missing: list[str] = field(default_factory=list)  # keys in the database whose files were missing in the storage
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the manifest, which completes the backup. Raises OSError."""
        part = folder / (FILE + ".part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / FILE)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup. Raises CannotGoOn if the folder is no backup, or an incomplete one."""
    try:
        values = json.loads((folder / FILE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CannotGoOn(
            f"{folder} is not a complete backup: it has no {FILE}. "
            "Give a folder in which munsit-denoise backup has finished."
        ) from None
    except ValueError:
        raise CannotGoOn(f"{folder / FILE} is damaged. Take another backup.") from None
    try:
        if values["format"] != FORMAT:
            raise CannotGoOn(f"{folder} was made by a newer version of munsit-denoise. Use that version.")
        files = {key: FileDigest(**digest) for key, digest in values.pop("files").items()}
        return Manifest(**values | {"files": files, "database": FileDigest(**values["database"])})
    except (KeyError, TypeError, AttributeError):
        raise CannotGoOn(f"{folder / FILE} is damaged. Take another backup.") from None


def digest_of(path: Path) -> FileDigest:
    """Return size and digest of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileDigest(file.tell(), digest.hexdigest())

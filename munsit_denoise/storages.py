"""Opens the storage of the settings."""

from pathlib import Path

from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage


def open_storage(settings: Settings, scratch: Path | None = None) -> Storage:
    """Return the storage; with an object store, files in use are in `scratch`, by default in DATA_DIR.

    Raises CannotGoOn, OSError, and ModuleNotFoundError if the extra `cluster` is needed and missing.
    """
    if not settings.storage_url.startswith("s3:"):
        return LocalStorage(settings.storage_root)
    from munsit_denoise.storage.s3 import S3Storage  # needs the extra `cluster`

    return S3Storage(settings.storage_url, settings.s3_endpoint, scratch or settings.data_dir.absolute())

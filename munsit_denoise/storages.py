"""The storage that the settings name."""

from pathlib import Path

from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage


def open_storage(settings: Settings, scratch: Path | None = None) -> Storage:
    """Return the storage; files of an object store lie in `scratch`, else in DATA_DIR, while worked on.

    Raises CannotGoOn, OSError, and ModuleNotFoundError without the extra `cluster` where that is needed.
    """
    if not settings.storage_url.startswith("s3:"):
        return LocalStorage(settings.storage_root)
    from munsit_denoise.storage.s3 import S3Storage  # the extra `cluster`, which the others do without

    return S3Storage(settings.storage_url, settings.s3_endpoint, scratch or settings.data_dir.absolute())

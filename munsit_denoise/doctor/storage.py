"""Checks of the storage: whether it works, and whether it belongs to the database."""

import tempfile
from contextlib import suppress
from pathlib import Path

import anyio

from munsit_denoise.db import checkup
from munsit_denoise.doctor.findings import Finding, fine, wrong
from munsit_denoise.errors import CannotGoOn, DenoiseError, StorageFull
from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storages import open_storage

PACKAGE_MISSING = "Install it with its extra: pip install 'munsit-denoise[cluster]'"
STORE = "Check DENOISE_STORAGE_URL and DENOISE_S3_ENDPOINT, that the store runs, and that this machine reaches it."
CREDENTIALS = (
    "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; they must allow to put, get, list and delete."
)
FOLDER = "Check DENOISE_STORAGE_URL and DENOISE_DATA_DIR, that the disk is mounted, and that this user may write there."
BUCKET = "Create the bucket, or check DENOISE_STORAGE_URL; munsit-denoise does not create buckets."
REFUSED = ("PermissionDeniedError", "UnauthenticatedError")


def look_at_storage(settings: Settings, *, quick: bool = False) -> Finding:
    """Check that the storage accepts and deletes a file; unless `quick`, also that a stored file can be read."""
    if not _is_store(settings) and not settings.storage_root.is_dir():
        return wrong(f"There is no folder {settings.storage_root} for the recordings.", FOLDER)
    try:
        with tempfile.TemporaryDirectory(prefix="munsit-denoise-") as scratch:
            anyio.run(_try_out, open_storage(settings, Path(scratch)), quick)
    except ModuleNotFoundError as error:
        return wrong(f"The package {error.name}, which an object store needs, is not installed.", PACKAGE_MISSING)
    except StorageFull:
        return wrong("The storage is full.", "Make room, or let DENOISE_KEEP_ORIGINALS_DAYS delete what is old.")
    except (DenoiseError, CannotGoOn, OSError) as error:
        return _broken(settings, error)
    return fine(f"In {settings.storage_url or settings.storage_root}, a file can be written and removed.")


async def _try_out(storage: Storage, quick: bool) -> None:
    await storage.probe()
    if quick:
        return
    async for job_ids in storage.jobs():
        for key in await storage.keys(job_ids[0]):
            with suppress(FileNotFoundError):  # somebody has deleted it just now
                async with storage.open_range(key) as reader:
                    await reader.read(1)
            return


def _broken(settings: Settings, error: Exception) -> Finding:
    reason = error if isinstance(error, OSError) else error.__cause__ or error
    name = type(reason).__name__
    if not _is_store(settings):
        told = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        return wrong(f"The folder {settings.storage_root} cannot be used: {told}.", FOLDER)
    if isinstance(reason, FileNotFoundError) or name == "NotFoundError" or "NoSuchBucket" in str(reason):
        return wrong(f"The bucket of {settings.storage_url} is not there.", BUCKET)
    if name in REFUSED or "AccessDenied" in str(reason) or "Missing" in str(reason):
        return wrong(f"The store refuses access to {settings.storage_url}: {name}.", CREDENTIALS)
    at = settings.s3_endpoint or "Amazon's address"
    return wrong(f"The store at {at} gave an unexpected answer: {name}.", f"{STORE} {CREDENTIALS}")


def look_at_installation(settings: Settings) -> Finding:
    """Check that database and storage belong together."""
    own = checkup.installation_id(settings.database)
    with tempfile.TemporaryDirectory(prefix="munsit-denoise-") as scratch:
        marked = anyio.run(open_storage(settings, Path(scratch)).installation_id)
    if own == marked:
        return fine("The database and the storage belong together." if own else "Nothing has been stored yet.")
    if own is not None and marked is not None:
        told = "The storage belongs to another database than this one."
    else:
        fresh = "database" if own is None else "storage"
        told = f"The {fresh} is new, or belongs to another installation: it has no installation id."
    return wrong(
        told,
        "Check DENOISE_DATABASE_URL, DENOISE_STORAGE_URL and DENOISE_DATA_DIR, and that their disks are mounted. "
        "If database and storage are both right, start once with DENOISE_ADOPT_STORAGE=true.",
    )


def _is_store(settings: Settings) -> bool:
    return settings.storage_url.startswith("s3:")

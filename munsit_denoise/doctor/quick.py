"""The checks for frequent health checks, without the model and ffmpeg."""

from functools import partial

from munsit_denoise.doctor.database import REACH, WHERE, look_at_database
from munsit_denoise.doctor.findings import Check
from munsit_denoise.doctor.machine import ROOM, look_at_disk
from munsit_denoise.doctor.storage import FOLDER, STORE, look_at_storage
from munsit_denoise.settings import Settings

DEADLINE_S = 3.0


def quick_checks(settings: Settings) -> list[Check]:
    """Return the checks of database, storage and disks that take much less than a second if all is well."""
    database = REACH if settings.is_cluster else WHERE
    storage = STORE if settings.storage_url.startswith("s3:") else FOLDER
    return [
        Check("database", partial(look_at_database, quick=True), database, deadline_s=DEADLINE_S),
        Check("storage", partial(look_at_storage, quick=True), storage, deadline_s=DEADLINE_S),
        Check("disk", look_at_disk, ROOM, deadline_s=DEADLINE_S),
    ]

"""All checks, in the order of the report."""

from munsit_denoise.doctor.database import (
    REACH,
    SET_CLOCK,
    WHERE,
    look_at_clock,
    look_at_database,
    look_at_queue,
    look_at_schema,
)
from munsit_denoise.doctor.findings import Check
from munsit_denoise.doctor.machine import ROOM, look_at_disk, look_at_port, look_at_settings
from munsit_denoise.doctor.programs import (
    CHOOSE_DEVICE,
    INSTALL_AGAIN,
    INSTALL_FFMPEG,
    look_at_device,
    look_at_ffmpeg,
    look_at_model,
)
from munsit_denoise.doctor.storage import FOLDER, STORE, look_at_installation, look_at_storage
from munsit_denoise.settings import Settings

DATABASE = ("database",)
HEAVY_S = 25.0  # loading PyTorch takes seconds, and longer on a busy machine


def all_checks(settings: Settings) -> list[Check]:
    """Return all checks, in the order of the report."""
    database = REACH if settings.is_cluster else WHERE
    storage = STORE if settings.storage_url.startswith("s3:") else FOLDER
    return [
        Check("settings", look_at_settings, INSTALL_AGAIN),
        Check("database", look_at_database, database),
        Check("schema", look_at_schema, database, needs=DATABASE),
        Check("storage", look_at_storage, storage, deadline_s=25),
        Check("installation", look_at_installation, storage, needs=("schema", "storage")),
        Check("queue", look_at_queue, database, needs=("schema",)),
        Check("clock", look_at_clock, SET_CLOCK, needs=("schema",)),
        Check("disk", look_at_disk, ROOM),
        Check("port", look_at_port, "Check DENOISE_HOST and the machine's name server."),
        Check("ffmpeg", look_at_ffmpeg, INSTALL_FFMPEG, deadline_s=30),
        Check("model", look_at_model, INSTALL_AGAIN, deadline_s=HEAVY_S),
        Check("device", look_at_device, CHOOSE_DEVICE, needs=("model",), deadline_s=HEAVY_S),
    ]

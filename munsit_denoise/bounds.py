"""Converts limits and retention times of the settings to the types of `jobs/` and `db/`."""

from munsit_denoise.db.bounds import JobBounds, UploadBounds
from munsit_denoise.engine.catalogue import has_best
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.jobs.intake import UploadLimits
from munsit_denoise.jobs.qualities import Qualities
from munsit_denoise.jobs.retention import RetentionTimes
from munsit_denoise.settings import Settings
from munsit_denoise.treatment import Quality

MIB = 2**20
NO_BEST = (
    "DENOISE_QUALITY is best, but the package for it is not installed. Run: pip install 'munsit-denoise[best]', or set "
    "DENOISE_QUALITY=standard."
)


def keep_of(settings: Settings) -> RetentionTimes:
    """Return how long files and records are kept."""
    return RetentionTimes(settings.keep_originals_days, settings.keep_results_days, settings.keep_records_days)


def limits_of(settings: Settings) -> UploadLimits:
    """Return the limits on uploads and waiting jobs."""
    return UploadLimits(
        upload_mb=settings.max_upload_mb,
        duration_minutes=settings.max_duration_minutes,
        pending_jobs=settings.max_pending_jobs,
        pending_jobs_per_user=settings.max_pending_jobs_per_user,
        disk_reserve_mb=settings.disk_reserve_mb,
        uploads_per_user=settings.max_uploads_per_user,
        uploads_mb_per_user=settings.max_uploads_mb_per_user,
        result_mb_per_user=settings.max_result_mb_per_user,
    )


def job_bounds_of(settings: Settings) -> JobBounds:
    """Return the limits on waiting jobs for several servers."""
    result_bytes = settings.max_result_mb_per_user * MIB
    return JobBounds(settings.max_pending_jobs, settings.max_pending_jobs_per_user, result_bytes)


def upload_bounds_of(settings: Settings) -> UploadBounds:
    """Return the limits on waiting uploads for several servers."""
    return UploadBounds(settings.max_uploads_per_user, settings.max_uploads_mb_per_user * MIB)


def qualities_of(settings: Settings) -> Qualities:
    """Return the available qualities. Raises CannotGoOn if the default one is not installed."""
    found = Qualities(Quality(settings.quality), has_best())
    if found.usual is Quality.BEST and not found.has_best:
        raise CannotGoOn(NO_BEST)
    return found

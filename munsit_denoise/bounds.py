"""Limits and retention from the settings, as `jobs/` takes them."""

from munsit_denoise.jobs.intake import UploadLimits
from munsit_denoise.jobs.retention import Keep
from munsit_denoise.settings import Settings


def keep_of(settings: Settings) -> Keep:
    """Return for how long files and records are kept."""
    return Keep(settings.keep_originals_days, settings.keep_results_days, settings.keep_records_days)


def limits_of(settings: Settings) -> UploadLimits:
    """Return how much may come in and wait."""
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

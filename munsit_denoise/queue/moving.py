"""Jobs that come into a cluster with their records: a worker hears of them as of any others."""

from munsit_denoise.queue.postgres import FETCHES, JOBS, TASK


def announcement() -> str:
    """Return the statement that puts every job which has not ended into its queue."""
    return f"""
        INSERT INTO procrastinate_jobs (queue_name, task_name, args)
        SELECT CASE WHEN source_url IS NULL THEN '{JOBS}' ELSE '{FETCHES}' END, '{TASK}',
            jsonb_build_object('record_id', id)
        FROM denoise_records WHERE status = 'pending' AND removed_at IS NULL ORDER BY created_at
    """  # noqa: S608 - all of it are words of ours

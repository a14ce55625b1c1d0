"""Queue entries for jobs that `move` brings into a cluster."""

from munsit_denoise.queue.postgres import FETCHES, JOBS, TASK


def announcement() -> str:
    """Return the statement that adds an entry for each unfinished job."""
    return f"""
        INSERT INTO procrastinate_jobs (queue_name, task_name, args)
        SELECT CASE WHEN source_url IS NULL THEN '{JOBS}' ELSE '{FETCHES}' END, '{TASK}',
            jsonb_build_object('record_id', id)
        FROM denoise_records WHERE status = 'pending' AND removed_at IS NULL ORDER BY created_at
    """  # noqa: S608 - all of it are words of ours

"""Logs and counts the states of jobs.

Its notes are in memory only; after a restart, the lines of a job have no `request_id`.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.records import PendingJob
from munsit_denoise.logs import get_logger, remembered, remembering
from munsit_denoise.metrics import Metrics
from munsit_denoise.records import DenoiseRecord, Status
from munsit_denoise.redaction import host_of

log = get_logger()

Hear = Callable[[DenoiseRecord, float | None], None]  # a job that ended, and the duration of its run in seconds


@dataclass
class _Trace:
    """Notes on a job that has not ended; times are on the monotonic clock, in seconds."""

    came_s: float
    request_id: str | None = None
    source: str | None = None  # scheme and host of its URL
    began_s: float | None = None  # start of the run; None while it waits
    run_s: float | None = None  # duration of the run, once there is a result


class Journal:
    """Receives every change of a job's state after it was committed."""

    def __init__(
        self,
        metrics: Metrics | None = None,
        name_of: Callable[[str], str] = str,
        elsewhere: Callable[[], int] | None = None,
    ) -> None:
        """If others run jobs too, `elsewhere` counts unfinished jobs; notes are about this process only."""
        self._metrics, self._name_of, self._elsewhere = metrics or Metrics(), name_of, elsewhere
        self._traces: dict[str, _Trace] = {}
        self._told: list[Hear] = []
        self._metrics.watch_jobs(self.waiting, self.running, self.oldest_s)

    def tell_ends_to(self, hear: Hear) -> None:
        """Call `hear` for each job that ends, with the duration of its run."""
        self._told.append(hear)

    def waiting(self) -> int:
        """Return the number of jobs that wait to run or to be downloaded."""
        total = len(self._traces) if self._elsewhere is None else self._elsewhere()
        return max(0, total - self.running())

    def running(self) -> int:
        """Return the number of running jobs."""
        return sum(trace.began_s is not None for trace in list(self._traces.values()))

    def oldest_s(self) -> float:
        """Return how long the longest waiting job has waited; 0 if none waits."""
        came_s = [trace.came_s for trace in list(self._traces.values()) if trace.began_s is None]
        return time.monotonic() - min(came_s) if came_s else 0.0

    def working(self, record: DenoiseRecord) -> AbstractContextManager[None]:
        """Add the job, its user and its request to all log lines of the block."""
        request_id = self._trace(record.id).request_id
        return remembering(job=record.id, user=self._name_of(record.user_id), request_id=request_id)

    def accepted(self, record: DenoiseRecord) -> None:
        """A job was committed and queued."""
        source = host_of(record.source_url) if record.source_url else None
        trace = _Trace(time.monotonic(), remembered("request_id"), source)
        if self._elsewhere is None:
            self._traces[record.id] = trace
        with self.working(record):
            self._tell("job accepted", record, trace, bytes=record.audio_size_bytes or None)

    def resumed(self, job: PendingJob) -> None:
        """A job of an earlier process was queued again."""
        age_s = max(0.0, (now_us() - job.created_at_us) / 1e6)
        source = host_of(job.source_url) if job.source_url else None
        self._traces[job.id] = _Trace(time.monotonic() - age_s, source=source)

    def fetched(self, record: DenoiseRecord, seconds: float) -> None:
        """The original of a job was downloaded."""
        self._tell("original fetched", record, self._trace(record.id), bytes=record.audio_size_bytes, seconds=seconds)

    def began(self, record: DenoiseRecord) -> None:
        """A run of a job started."""
        if self._elsewhere is not None:
            age_s = max(0.0, (now_us() - record.created_at_us) / 1e6)
            self._traces[record.id] = _Trace(time.monotonic() - age_s)
        trace, now_s = self._trace(record.id), time.monotonic()
        trace.began_s, trace.run_s = now_s, None
        self._metrics.attempts.inc()
        self._tell("job started", record, trace, attempt=record.attempts, waited=now_s - trace.came_s)

    def interrupted(self, record: DenoiseRecord, reason: str) -> None:
        """A run ended without a result or verdict; the job waits again."""
        trace = self._trace(record.id)
        trace.began_s = None
        if self._elsewhere is not None:
            self.forget(record.id)
        with self.working(record):
            log.warning("job interrupted", attempt=record.attempts, reason=reason)

    def denoised(self, record: DenoiseRecord) -> None:
        """A run has produced its result, which is not committed yet."""
        trace = self._trace(record.id)
        trace.run_s = time.monotonic() - (trace.began_s or time.monotonic())

    def delivered(self, record: DenoiseRecord, reason: str | None) -> None:
        """A result was sent to its URL, or could not be sent for a reason."""
        target = host_of(record.options.output_url or "")
        if reason is None:
            log.info("result delivered", target=target)
        else:
            log.warning("result not delivered", target=target, reason=reason)

    def ended(self, record: DenoiseRecord) -> None:
        """A job ended with success or failure."""
        trace = self._trace(record.id)
        with self.working(record):
            if record.status is Status.SUCCESS:
                self._succeeded(record, trace)
            else:
                self._metrics.failed.inc()
                self._tell("job failed", record, trace, reason=record.error)
        self._traces.pop(record.id, None)
        for hear in self._told:
            hear(record, trace.run_s)

    def cancelled(self, record: DenoiseRecord) -> None:
        """A job ended by being cancelled, deleted or removed; a second time is not told."""
        if record.id in self._traces and record.status is not Status.PENDING:
            self.ended(record)

    def forget(self, job_id: str) -> None:
        """A job left this process: another process ended it, or its user was deleted."""
        self._traces.pop(job_id, None)

    def files_deleted(self, record: DenoiseRecord) -> None:
        """A job's files were deleted, which also ends a job that had not ended."""
        if record.id in self._traces:
            self.ended(record)
        log.info("files deleted", job=record.id)

    def _succeeded(self, record: DenoiseRecord, trace: _Trace) -> None:
        run_s = trace.run_s or 0.0
        self._metrics.job_succeeded(record.audio_duration_s, run_s)
        speed = round(record.audio_duration_s / run_s, 2) if run_s else None
        total_s = time.monotonic() - trace.came_s
        self._tell("job succeeded", record, trace, seconds=run_s, speed=speed, total=total_s)

    def _tell(self, event: str, record: DenoiseRecord, trace: _Trace, **fields: str | float | None) -> None:
        name = {"source": trace.source} if trace.source else {"file": record.file_name}
        told = {key: round(value, 3) if isinstance(value, float) else value for key, value in fields.items()}
        write = log.warning if event == "job failed" else log.info
        write(
            event,
            job=record.id,
            **name,
            sound=round(record.audio_duration_s, 3) or None,
            **{key: value for key, value in told.items() if value is not None},
        )

    def _trace(self, job_id: str) -> _Trace:
        return self._traces.get(job_id) or _Trace(time.monotonic())

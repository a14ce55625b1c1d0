"""Measures how fast this server denoised in the last hour."""

import time
from collections import deque

from munsit_denoise.records import DenoiseRecord, Status

WINDOW_S = 3600.0
MOST = 100_000  # jobs that are remembered


class Speed:
    """The successful jobs of the last hour, since the server started."""

    def __init__(self) -> None:
        self._runs: deque[tuple[float, float, float]] = deque(maxlen=MOST)  # monotonic end, sound, run

    def note(self, record: DenoiseRecord, run_s: float | None) -> None:
        """Note a job that has ended; `run_s` is the duration of its run, if known."""
        if record.status is Status.SUCCESS and run_s:
            self._runs.append((time.monotonic(), record.audio_duration_s, run_s))

    def factor(self) -> float | None:
        """Return seconds of sound per second of run, or None if no job has ended."""
        since_s = time.monotonic() - WINDOW_S
        while self._runs and self._runs[0][0] < since_s:
            self._runs.popleft()
        run_s = sum(run for _, _, run in self._runs)
        return sum(sound for _, sound, _ in self._runs) / run_s if run_s else None

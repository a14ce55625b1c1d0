"""Metrics for Prometheus: a separate registry for each app, without users, files and keys."""

import shutil
import sys
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

import anyio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from munsit_denoise import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SCRAPE_MEMORY_S = 1.0  # scrapes within this time get the same text
LAG_INTERVAL_S = 0.25  # between two measurements of the event loop's lag
LAG_WINDOW = 240  # measurements of which the largest lag is reported: a minute
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"})
SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)
TIMES_REAL_TIME = (0.5, 1, 2, 5, 10, 20, 40, 60, 80, 100, 150, 200, 400, 800)


class Metrics:
    """All metrics of one app. Counters start at 0 with the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._text, self._rendered_at = b"", float("-inf")
        self._lags: deque[float] = deque([0.0], LAG_WINDOW)
        self._make_edge()
        self._make_jobs()
        self._make_process()

    def _make_edge(self) -> None:
        own = self.registry
        self._requests = _Requests()
        own.register(self._requests)
        listeners = Gauge("denoise_listeners", "Progress streams and sockets that are open.", ["kind"], registry=own)
        self.streams, self.sockets = listeners.labels("stream"), listeners.labels("socket")

    def _make_jobs(self) -> None:
        own = self.registry
        self.sound = Counter("denoise_sound_seconds", "Sound that was denoised, of jobs that succeeded.", registry=own)
        self.speed = Histogram(
            "denoise_real_time_factor",
            "Seconds of sound per second of the run; 60 is a minute of sound in a second.",
            buckets=TIMES_REAL_TIME,
            registry=own,
        )
        ended = Counter("denoise_jobs_ended", "Jobs that ended since the server began.", ["state"], registry=own)
        self.succeeded, self.failed = ended.labels("success"), ended.labels("failed")
        self.attempts = Counter("denoise_attempts", "Runs of jobs that began.", registry=own)
        self.jobs = Gauge("denoise_jobs", "Jobs that have not ended, by what they do.", ["state"], registry=own)
        self.queue_length = Gauge("denoise_queue_length", "Jobs that wait to run or to be fetched.", registry=own)
        self.queue_age = Gauge("denoise_queue_oldest_age_seconds", "How long the oldest of them waits.", registry=own)

    def _make_process(self) -> None:
        own = self.registry
        self.lag = Histogram(
            "denoise_event_loop_lag_seconds", "How late the event loop wakes up.", buckets=LAG_SECONDS, registry=own
        )
        longest = Gauge("denoise_event_loop_lag_max_seconds", "The largest lag of the last minute.", registry=own)
        longest.set_function(lambda: max(self._lags))
        self.tasks = Gauge("denoise_tasks", "Tasks of the event loop that have not ended.", registry=own)
        build = Gauge(
            "denoise_build_info", "Version, Python and PyTorch.", ["version", "python", "torch"], registry=own
        )
        build.labels(__version__, sys.version.split()[0], version("torch")).set(1)
        ProcessCollector(registry=own)

    def watch_storage(self, root: Path) -> None:
        """Report the space on the file system of a folder."""
        free = Gauge("denoise_storage_free_bytes", "Free space of the file system.", registry=self.registry)
        used = Gauge("denoise_storage_used_bytes", "Used space of the file system.", registry=self.registry)
        free.set_function(_disk(root, "free"))
        used.set_function(_disk(root, "used"))

    def watch_jobs(self, waiting: Callable[[], int], running: Callable[[], int], oldest_s: Callable[[], float]) -> None:
        """Report waiting and running jobs and the age of the oldest waiting one, read at each scrape."""
        self.jobs.labels("pending").set_function(waiting)
        self.jobs.labels("running").set_function(running)
        self.queue_length.set_function(waiting)
        self.queue_age.set_function(oldest_s)

    def count_request(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an answer; `seconds` is None if its duration means nothing, as for a stream."""
        self._requests.count(method if method in METHODS else "other", route, status)
        if seconds is not None:
            self._requests.time(method if method in METHODS else "other", route, seconds)

    def job_succeeded(self, sound_s: float, seconds: float) -> None:
        """Count a successful job and the duration of its run."""
        self.succeeded.inc()
        self.sound.inc(sound_s)
        if seconds > 0:
            self.speed.observe(sound_s / seconds)

    async def measure_lag(self) -> None:
        """Measure the event loop's lag at regular intervals."""
        while True:
            due = time.perf_counter() + LAG_INTERVAL_S
            await anyio.sleep(LAG_INTERVAL_S)
            lag_s = max(0.0, time.perf_counter() - due)
            self._lags.append(lag_s)
            self.lag.observe(lag_s)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format; may block on a file system, so call it in a thread."""
        now_s = time.monotonic()
        if now_s - self._rendered_at >= SCRAPE_MEMORY_S:
            self._text, self._rendered_at = generate_latest(self), now_s
        return self._text

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics without the creation times of counters."""
        for family in self.registry.collect():
            if not family.name.endswith("_created"):
                family.samples = [each for each in family.samples if not each.name.endswith("_created")]
                yield family


class _Requests(Collector):
    """Counts and durations of requests in plain lists, in a quarter of the library's time."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}  # by method, route and status
        self._times: dict[tuple[str, str], list[float]] = {}  # the count of each bucket, and the sum

    def count(self, method: str, route: str, status: int) -> None:
        """Count an answer."""
        key = (method, route, str(status))
        self._counts[key] = self._counts.get(key, 0) + 1

    def time(self, method: str, route: str, seconds: float) -> None:
        """Add the duration of an answer to its bucket."""
        times = self._times.get((method, route))
        if times is None:
            times = self._times[method, route] = [0.0] * (len(SECONDS) + 2)
        times[bisect_left(SECONDS, seconds)] += 1
        times[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield both in the registry's format; called from another thread than the counting one."""
        counts = CounterMetricFamily("denoise_requests", "Answered requests.", labels=["method", "route", "status"])
        for labels, number in list(self._counts.items()):
            counts.add_metric(labels, number)
        yield counts
        times = HistogramMetricFamily(
            "denoise_request_seconds",
            "From a request's headers to the end of its answer; streams and sockets are not in it.",
            labels=["method", "route"],
        )
        for names, found in list(self._times.items()):
            *numbers, total_s = list(found)
            bounds = [*map(str, SECONDS), "+Inf"]
            times.add_metric(names, list(zip(bounds, accumulate(numbers), strict=True)), total_s)
        yield times


def _disk(root: Path, what: str) -> Callable[[], float]:
    def ask() -> float:
        try:
            return float(getattr(shutil.disk_usage(root), what))
        except OSError:  # the folder is missing at the moment
            return float("nan")

    return ask

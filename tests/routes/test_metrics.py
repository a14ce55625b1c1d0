"""/metrics: who may read it, what it tells, and that no client can make it grow."""

import time
from pathlib import Path

import anyio
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from munsit_denoise.app import create_app
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.metrics import METHODS, Metrics
from munsit_denoise.routes.metrics import may_read
from munsit_denoise.routes.names import RouteNames
from munsit_denoise.settings import SettingsError, read_settings
from tests.audio import write_silence
from tests.db.test_records import make_record
from tests.live import Live, make_settings

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """Return every sample by its name and labels; the text must be Prometheus' own."""
    families = text_string_to_metric_families(text)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def scrape(live: Live, **headers: str) -> httpx2.Response:
    return httpx2.get(live.url + "/metrics", headers={name.replace("_", "-"): value for name, value in headers.items()})


def wait_for(live: Live, name: str, labels: dict[str, str], least: float) -> Samples:
    """Scrape until a sample has grown so far."""
    for _ in range(100):
        samples = parse(scrape(live).text)
        if samples.get((name, frozenset(labels.items())), -1.0) >= least:
            return samples
        anyio.run(anyio.sleep, 0.1)
    raise AssertionError(samples)


@pytest.mark.parametrize(
    ("client", "networks", "may"),
    [
        ("127.0.0.1", (), True),
        ("127.9.9.9", (), True),
        ("::1", (), True),
        ("::ffff:127.0.0.1", (), True),
        ("10.1.2.3", (), False),
        ("10.1.2.3", ("192.168.0.0/16", "10.0.0.0/8"), True),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",), True),
        ("fd00::1%eth0", ("fd00::/8",), True),
        ("2001:db8::1", ("10.0.0.0/8",), False),
        ("unknown", ("0.0.0.0/0", "::/0"), False),
        ("", ("0.0.0.0/0",), False),
    ],
)
def test_who_may_read_it(client: str, networks: tuple[str, ...], may: bool) -> None:
    assert may_read(client, networks) is may


def test_networks_are_checked_at_the_start() -> None:
    with pytest.raises(SettingsError, match="DENOISE_METRICS_NETWORKS"):
        read_settings(_env_file=None, metrics_networks="10.0.0.0/99")
    assert read_settings(_env_file=None, metrics_networks="10.0.0.0/8, ::1/128").metrics_from == (
        "10.0.0.0/8",
        "::1/128",
    )


def test_the_client_is_who_a_trusted_proxy_says(live: Live) -> None:
    assert scrape(live).status_code == 200
    assert scrape(live, X_Forwarded_For="127.0.0.1").status_code == 200
    refused = scrape(live, X_Forwarded_For="203.0.113.9")
    unknown = httpx2.get(live.url + "/nowhere")
    assert (refused.status_code, refused.text) == (unknown.status_code, unknown.text) == (404, "Not Found")
    assert scrape(live, X_Forwarded_For="127.0.0.1, 203.0.113.9").status_code == 404  # the first was said by the client
    assert scrape(live, X_Forwarded_For="nobody").status_code == 404


def test_it_tells_of_jobs_and_requests(live: Live, tmp_path: Path) -> None:
    before = parse(scrape(live).text)
    job_id = live.upload(write_silence(tmp_path / "private-name.wav", 2))
    live.events(job_id)
    route = {"method": "GET", "route": "/api/v1/denoise/{denoise_id}/progress", "status": "200"}
    ended = ("denoise_jobs_ended_total", frozenset({("state", "success")}))
    samples = wait_for(live, ended[0], dict(ended[1]), before[ended] + 1)
    samples = wait_for(
        live, "denoise_requests_total", route, before.get(("denoise_requests_total", frozenset(route.items())), 0) + 1
    )
    assert samples["denoise_sound_seconds_total", frozenset()] >= before["denoise_sound_seconds_total", frozenset()] + 2
    assert samples["denoise_real_time_factor_count", frozenset()] >= 1
    for name in ("storage_free_bytes", "storage_used_bytes", "event_loop_lag_seconds_count", "tasks"):
        assert samples[f"denoise_{name}", frozenset()] > 0
    for name in ("queue_length", "queue_oldest_age_seconds", "event_loop_lag_max_seconds"):
        assert samples[f"denoise_{name}", frozenset()] >= 0
    assert samples["process_resident_memory_bytes", frozenset()] > 0
    assert ("denoise_jobs", frozenset({("state", "running")})) in samples
    text = scrape(live).text
    assert not any(private in text for private in (job_id, "private-name", "tester", live.key[4:], "_created"))
    assert scrape(live).headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_no_client_makes_it_grow(live: Live) -> None:
    for path in ("/a", "/b/c", "/api/v1/none", "/api/v1/denoise/1/2/3", "/%0a%22%7d"):
        httpx2.get(live.url + path)
    httpx2.request("PROPFIND", live.url + "/x")
    samples = wait_for(live, "denoise_requests_total", {"method": "other", "route": "other", "status": "404"}, 1)
    labels = [dict(each) for name, each in samples if name == "denoise_requests_total"]
    known = set(RouteNames(create_app(live.settings).routes).names) | {"other"}
    assert {each["route"] for each in labels} <= known
    assert {each["method"] for each in labels} <= METHODS | {"other"}


def test_apps_of_one_process_share_nothing(tmp_path: Path) -> None:
    one, other = Metrics(), Metrics()
    one.count_request("GET", "/x", 200, 0.1)
    assert b'route="/x"' in one.render()
    assert b'route="/x"' not in other.render()
    assert create_app(make_settings(tmp_path)).state is not create_app(make_settings(tmp_path)).state


def test_scrapes_that_come_together_cost_one() -> None:
    metrics, asked = Metrics(), []
    metrics.watch_jobs(lambda: asked.append(1) or 3, lambda: 0, lambda: 2.5)
    text = metrics.render()
    assert metrics.render() is text
    samples = parse(text.decode())
    assert samples["denoise_queue_length", frozenset()] == 3
    assert samples["denoise_queue_oldest_age_seconds", frozenset()] == 2.5
    assert len(asked) == 2  # once for the queue's length, once for the jobs that wait


@pytest.mark.anyio
async def test_the_lag_of_the_event_loop_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    monkeypatch.setattr("munsit_denoise.metrics.LAG_INTERVAL_S", 0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(metrics.measure_lag)
        await anyio.sleep(0.005)
        block(0.05)
        await anyio.sleep(0.03)
        tasks.cancel_scope.cancel()
    assert parse(metrics.render().decode())["denoise_event_loop_lag_max_seconds", frozenset()] >= 0.03


def block(seconds: float) -> None:
    time.sleep(seconds)


def test_the_journal_knows_who_waits() -> None:
    journal, record = Journal(), make_record("u")
    assert (journal.waiting(), journal.running(), journal.oldest_s()) == (0, 0, 0.0)
    journal.accepted(record)
    assert (journal.waiting(), journal.running()) == (1, 0)
    assert journal.oldest_s() > 0
    journal.began(record)
    assert (journal.waiting(), journal.running(), journal.oldest_s()) == (0, 1, 0.0)
    journal.interrupted(record, "it was stopped")
    assert (journal.waiting(), journal.running()) == (1, 0)
    journal.files_deleted(record)
    assert (journal.waiting(), journal.running()) == (0, 0)

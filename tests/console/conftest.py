"""Chromium, and pages of it: each test that asks for a `visit` runs in the browser's own thread."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.key_book import KeyOptions
from munsit_denoise.db.keys import Keys
from munsit_denoise.records import Scope
from tests.audio import write_noisy
from tests.live import Live

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PATIENCE_MS = 60_000
SHIFTS = """window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });"""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test in the thread of its browser: Playwright keeps a loop there, which no other test may meet."""
    if "visit" not in pyfuncitem.fixturenames:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    pyfuncitem.funcargs["in_browser"](lambda: pyfuncitem.obj(**arguments))
    return True


@dataclass
class Visit:
    """A page, signed in as a user of its own, and all that it has asked for and complained of."""

    page: Page
    live: Live
    key: str
    errors: list[str] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hosts.append(self.live.url)
        self.client = httpx2.Client(base_url=self.live.url + "/api/v1", headers={"x-api-key": self.key}, timeout=60)

    def listen(self) -> None:
        """Note what the page does."""
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("request", lambda request: self.asked.append(request))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        self.page.add_init_script(SHIFTS)

    def open(self, path: str = "/") -> None:
        """Open a view, signed in by a link."""
        self.page.goto(f"{self.live.url}/#key={self.key}")
        self.page.wait_for_selector(".history li")
        if path != "/":
            self.page.evaluate("(path) => { location.hash = path; }", path)

    def compare(self, job_id: str) -> None:
        """Open a job's file, and wait until it can be heard."""
        self.open(f"#/file/{job_id}")
        self.page.wait_for_selector(".player .big:enabled")

    def transport(self, expression: str) -> Any:
        """Return what an expression on the player's transport says."""
        return self.page.evaluate(
            f"(() => {{ const t = document.querySelector('.player').transport; {expression} }})()"
        )

    def refusals(self) -> list[int]:
        """Return the statuses of the answers that refused something: the browser notes each; nothing else was noted."""
        found = [re.search(r"responded with a status of (4\d\d)", error) for error in self.errors]
        assert all(found), self.errors
        return [int(one[1]) for one in found if one]

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            self.page.wait_for_timeout(50)


@pytest.fixture(scope="session")
def in_browser() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Return how something is done in the browser's thread."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda act: thread.submit(act).result()


@pytest.fixture(scope="session")
def chromium(in_browser: Callable[[Callable[[], Any]], Any]) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is missing: scripts/system.sh chromium chromium")
    expect.set_options(timeout=PATIENCE_MS)
    playwright = in_browser(lambda: sync_playwright().start())
    browser = in_browser(lambda: playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *MICROPHONE]))
    yield browser
    in_browser(browser.close)
    in_browser(playwright.stop)


@pytest.fixture
def visit(
    request: pytest.FixtureRequest, chromium: Browser, live: Live, in_browser: Callable[[Callable[[], Any]], Any]
) -> Iterator[Visit]:
    """Open a page; `@pytest.mark.parametrize("visit", [{...}], indirect=True)` says with which look and whose key."""
    look = dict(getattr(request, "param", {"user": request.node.name}))
    key = admin_key(live) if look.get("user") == "admin" else live.new_key(look.pop("user", request.node.name))
    look.pop("user", None)
    context = in_browser(lambda: chromium.new_context(**{"locale": "en", "color_scheme": "light"} | look))
    visit = Visit(in_browser(context.new_page), live, key)
    in_browser(visit.listen)
    yield visit
    in_browser(context.close)
    visit.client.close()
    allowed = tuple(start + host for host in visit.hosts for start in ("", "blob:"))
    assert all(one.url.startswith(allowed) for one in visit.asked), "another host"
    assert not [one.url for one in visit.asked if visit.key in one.url.partition("#")[0]], "a key in a URL"


def admin_key(live: Live) -> str:
    """Return a new key with the scope admin."""

    async def create() -> str:
        database = open_database(live.settings.database)
        try:
            return await Keys(database).create("boss", KeyOptions(scope=Scope.ADMIN))
        finally:
            await database.close()

    return anyio.run(create)


@pytest.fixture(scope="session")
def long_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording that is worked on for a while."""
    return write_noisy(tmp_path_factory.mktemp("long") / "long.wav", seconds=40.0)

"""Files on their way in, and those that were: what a visitor does, in a real browser against a real server."""

import re
import shutil
import socket
import threading
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Visit

HTML = "<img src=x onerror=document.title=1>&amp;.wav"
TUS = {"Tus-Resumable": "1.0.0"}
PERCENT = "document.querySelector('.job.done') ? 100 : document.querySelector('.job progress')?.value ?? 0"
ARABIC_PHONE = {"locale": "ar", "viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}


def test_a_noisy_file_goes_in_moves_and_is_done(visit: Visit, long_wav: Path) -> None:
    visit.open()
    visit.page.set_input_files("#picker", long_wav)
    visit.until(lambda: visit.page.evaluate(PERCENT) > 0)
    expect(visit.page.locator(".job .primary")).to_have_text("Listen", timeout=60_000)
    expect(visit.page.locator(".badge.success")).to_have_count(1)
    visit.page.click(".job .primary")
    expect(visit.page.locator("h1")).to_have_text("long.wav")
    assert not visit.errors


def test_a_reload_in_mid_job_goes_on(visit: Visit, long_wav: Path) -> None:
    visit.open()
    with visit.page.expect_response(lambda answer: answer.url.endswith("/api/v1/denoise")):
        visit.page.set_input_files("#picker", long_wav)
    visit.page.reload()
    expect(visit.page.locator(".badge.success")).to_have_count(1, timeout=60_000)
    assert len(visit.client.get("/denoise").json()) == 1


def test_an_upload_goes_on_after_a_cut(visit: Visit, long_wav: Path) -> None:
    with closing(Wire(visit.live.url, cut_bytes=500_000)) as wire:
        visit.hosts.append(wire.url)
        visit.page.goto(f"{wire.url}/#key={visit.key}")
        visit.page.set_input_files("#picker", long_wav)
        visit.until(lambda: _arrived_bytes(visit) > 300_000)
        wire.mend()
        expect(visit.page.locator(".job.done")).to_have_count(1, timeout=60_000)
    offsets = [int(one.headers["upload-offset"]) for one in visit.asked if one.method == "PATCH"]
    assert offsets[0] == 0
    assert offsets[-1] > 300_000
    assert len(visit.client.get("/denoise").json()) == 1
    assert [error for error in visit.errors if not re.search(r"net::|423|409", error)] == []  # cut, and taken up


def _arrived_bytes(visit: Visit) -> int:
    """Return how much of the page's first upload the server has, asked past the wire."""
    paths = [urlsplit(one.url).path for one in visit.asked if one.method == "PATCH"]
    if not paths:
        return 0
    return int(visit.client.head(visit.live.url + paths[0], headers=TUS).headers["upload-offset"])


class Wire:
    """A way to a server that breaks once, in the middle of what is sent, and stays broken until it is mended.

    A browser sends a request again by itself, from its first byte, if a connection that it had used before breaks.
    While the wire is broken this fails too, and the page has to ask how much has arrived.
    """

    def __init__(self, url: str, cut_bytes: int) -> None:
        self.target, self.left, self.lock = urlsplit(url), cut_bytes, threading.Lock()
        self.whole = threading.Event()
        self.whole.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self.listener.close()

    def mend(self) -> None:
        """Pass on everything from now on."""
        self.whole.set()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if not self.whole.is_set():
                    client.close()
                    continue
                server = socket.create_connection((self.target.hostname, self.target.port))
                for one, other, cuts in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=(one, other, cuts), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, cuts: bool) -> None:
        with suppress(OSError), one:
            while part := one.recv(16_384):
                if cuts and not self.whole.is_set():
                    break
                other.sendall(part)
                if cuts and self._breaks_at(len(part)):
                    break
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)  # what was passed on arrives, however slowly it is read

    def _breaks_at(self, count: int) -> bool:
        """Count what was sent, on whichever connection; say whether the wire breaks at it."""
        with self.lock:
            before, self.left = self.left, self.left - count
            breaks = before > 0 >= self.left
            if breaks:
                self.whole.clear()
            return breaks


def test_a_broken_file_is_told_in_the_servers_words(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound at all")
    visit.open()
    visit.page.set_input_files("#picker", tmp_path / "broken.wav")
    expect(visit.page.locator(".job.broken .facts")).to_contain_text("No audio could be found")
    assert visit.client.get("/denoise").json() == []
    visit.page.get_by_role("button", name="العربية").click()
    visit.page.set_input_files("#picker", tmp_path / "broken.wav")
    expect(visit.page.locator(".job.broken .facts").last).to_contain_text("لم يُعثر على صوت في الملف")
    with (tmp_path / "large.wav").open("wb") as large:
        large.truncate(201 * 2**20)  # a hole; nothing of it is sent
    visit.page.set_input_files("#picker", tmp_path / "large.wav")
    expect(visit.page.locator(".job.broken .facts").last).to_contain_text("حجم الملف يتجاوز الحد الأقصى")
    assert visit.refusals() == [400, 400, 413]


def test_a_deletion_can_be_undone_and_is_done_when_the_page_is_left(visit: Visit, noisy_wav: Path) -> None:
    visit.live.upload(noisy_wav, client=visit.client)
    visit.open()
    delete = visit.page.get_by_role("button", name="Delete: noisy.wav")
    delete.click()
    expect(visit.page.locator(".entry")).to_have_count(0)
    visit.page.get_by_role("button", name="Undo").click()
    expect(visit.page.locator(".entry")).to_have_count(1)
    delete.click()
    visit.hosts.append("about:blank")
    visit.page.goto("about:blank")
    visit.until(lambda: visit.client.get("/denoise").json() == [])


def test_a_file_name_never_becomes_html(visit: Visit, tmp_path: Path, noisy_wav: Path) -> None:
    shutil.copy(noisy_wav, tmp_path / HTML)
    visit.open()
    visit.page.set_input_files("#picker", tmp_path / HTML)
    expect(visit.page.locator(".job .name")).to_have_text(HTML)
    expect(visit.page.locator(".entry .name")).to_have_text(HTML)
    visit.page.click(".entry .name")
    expect(visit.page.locator("h1")).to_have_text(HTML)
    assert visit.page.locator("img[src=x]").count() == 0
    assert visit.page.title() != "1"


@pytest.mark.parametrize("visit", [ARABIC_PHONE], indirect=True)
def test_arabic_on_a_phone_reads_from_right_to_left_and_fits(visit: Visit, noisy_wav: Path) -> None:
    job_id = visit.live.upload(noisy_wav, "تسجيل طويل الاسم جدًا جدًا جدًا جدًا جدًا جدًا جدًا_bilingual.wav", visit.client)
    visit.live.events(job_id, visit.client)
    visit.open()
    assert visit.page.evaluate("[document.documentElement.dir, document.documentElement.lang]") == ["rtl", "ar"]
    fits = "document.documentElement.scrollWidth <= innerWidth"
    expect(visit.page.locator(".entry .badge")).to_have_text("تم")
    assert visit.page.evaluate(fits)
    visit.compare(job_id)
    assert visit.page.evaluate(fits)
    visit.page.get_by_role("button", name="English").click()
    visit.page.wait_for_selector("html[dir=ltr] .player")
    assert not visit.errors


def test_search_and_filter_find_files(visit: Visit, noisy_wav: Path) -> None:
    for name in ("one.wav", "two.wav"):
        visit.live.upload(noisy_wav, name, visit.client)
    visit.open()
    visit.page.fill("#search", "TWO")
    expect(visit.page.locator(".entry .name")).to_have_text(["two.wav"])
    visit.page.get_by_role("button", name="Failed", exact=True).click()
    expect(visit.page.locator(".rows")).to_contain_text("No file matches.")
    assert not visit.errors

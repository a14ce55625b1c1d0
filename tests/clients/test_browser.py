"""The JavaScript client in a browser, on a page of another origin: what node has not, and what CORS hides."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.audio import write_noisy
from tests.clients.cutting import cutting
from tests.clients.scripted import scripted
from tests.live import Live, run_live

CHROMIUM = shutil.which("chromium")
MODULE = Path(__file__).parents[2] / "clients/js/munsit-denoise.js"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
SCRIPT = """async ([module, server, way, key, bytes]) => {
  const { DenoiseClient } = await import(URL.createObjectURL(new Blob([module], { type: "text/javascript" })));
  const options = { firstPauseMs: 5, chunkBytes: 4000 };
  const client = new DenoiseClient(server, key, options);
  const file = new File([new Uint8Array(bytes)], "ä.wav");
  const told = [], stages = [], pieces = [];
  const id = await client.submit(file, { strength: 0.5, onProgress: (sent) => told.push(sent) });
  for await (const event of client.watch(id)) stages.push(event.stage);
  const record = await client.get(id);
  const whole = await client.download(record);
  const broken = await client.download({ audio_url: record.audio_url.replace(server, way) });
  const uploaded = await client.upload(file, { onProgress: (sent) => pieces.push(sent) });
  const again = await client.wait(await client.submit(uploaded));
  const error = await new DenoiseClient(server, "wrong", options).list().catch((error) => error);
  await client.delete(id);
  const same = (await whole.text()) === (await broken.text());
  return { name: record.file_name, sent: told.at(-1), stages, same, size: whole.size, pieces: pieces.at(-1),
    again: again.stage, error: [error.name, error.status, error.code] };
}"""


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[Live]:
    with run_live(tmp_path / "data", "/healthz", cors_origins="*") as live:
        yield live


@pytest.fixture
def page(open_to_all: Live) -> Iterator[Page]:
    """A tab; its loop runs in this thread from here on, so that the server comes first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser.new_page()
        finally:
            browser.close()


def test_a_page_does_all_of_it(open_to_all: Live, page: Page, tmp_path: Path) -> None:
    recording, live = write_noisy(tmp_path / "a.wav", 0.3), open_to_all
    with scripted() as elsewhere, cutting(live.url) as way:
        for _ in range(2):
            elsewhere.answer(200, b"<!doctype html>", Content_Type="text/html")
        page.goto(elsewhere.url)
        way.cuts_down = [3000, 5000]
        found: dict[str, Any] = page.evaluate(
            SCRIPT, [MODULE.read_text(), live.url, way.url, live.key, list(recording.read_bytes())]
        )
    assert found.pop("stages")[-1] == "done"
    assert found.pop("sent") >= recording.stat().st_size
    assert found.pop("size") > 1000
    assert json.loads(json.dumps(found)) == {
        "name": "ä.wav",
        "same": True,
        "pieces": recording.stat().st_size,
        "again": "done",
        "error": ["ApiError", 401, "40101"],
    }

"""Before and after: what is heard, seen, told and copied of one file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Route, expect

from tests.audio import ffmpeg
from tests.console.conftest import Visit
from tests.live import Live

OWNER = {"user": "owner"}
# Mean power of what leaves the transport over a third of a second.
HEARD = """async () => {
  const { analyser } = document.querySelector(".player").transport;
  const samples = new Float32Array(analyser.fftSize);
  let power = 0;
  for (let n = 0; n < 12; n++) {
    await new Promise((resolve) => setTimeout(resolve, 28));
    analyser.getFloatTimeDomainData(samples);
    power += samples.reduce((sum, one) => sum + one * one, 0) / samples.length / 12;
  }
  return power;
}"""
COLOURS = """() => {
  const canvas = document.querySelector(".scope");
  const seen = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width, canvas.height / 3).data;
  return new Set(Array.from({ length: seen.length / 4 }, (_, n) => seen.slice(4 * n, 4 * n + 3).join())).size;
}"""
pytestmark = pytest.mark.parametrize("visit", [OWNER], indirect=True)


@pytest.fixture(scope="module")
def finished(live: Live, noisy_wav: Path) -> str:
    """Return the id of a job that is done, for all tests that only look at it."""
    client = live.client_for("owner")
    job_id = live.upload(noisy_wav, "interview.wav", client)
    live.events(job_id, client)
    client.close()
    return job_id


def test_both_versions_play_at_one_position_and_one_loudness(visit: Visit, finished: str) -> None:
    visit.compare(finished)
    visit.transport("t.setLoop({ from: 0, to: t.durationS });")  # on a slow machine it would end before it was heard
    visit.page.keyboard.press("Space")
    assert visit.page.evaluate(HEARD) > 1e-7
    first = visit.transport("return t.positionS;")
    visit.until(lambda: visit.transport("return t.positionS;") != first)
    apart_s = visit.transport("const was = t.positionS; t.choose('before'); return Math.abs(t.positionS - was);")
    assert apart_s < 0.02
    assert visit.page.evaluate(HEARD) > 1e-7
    before = visit.transport("return t.master.gain.value * t.player.gains.before.gain.value;")
    visit.page.keyboard.press("b")
    visit.until(lambda: visit.transport("return t.player.gains.before.gain.value;") < 1e-6)  # the switch is a fade
    after = visit.transport("return t.master.gain.value * t.player.gains.after.gain.value;")
    report = visit.client.get(f"/denoise/{finished}/report").json()
    before_lufs = report["before"]["loudness_lufs"] + 20 * np.log10(before)
    after_lufs = report["after"]["loudness_lufs"] + 20 * np.log10(after)
    assert abs(before_lufs - after_lufs) < 0.5
    visit.page.keyboard.press("Space")
    assert visit.page.get_by_role("button", name="Play").is_visible()
    assert not visit.errors


def test_the_strength_is_heard_at_once_and_the_residual_is_what_was_removed(visit: Visit, finished: str) -> None:
    visit.compare(finished)
    visit.page.uncheck("#equal")
    visit.transport("t.setLoop({ from: 0.19, to: 0.31 });")  # noise alone: the voice pauses
    visit.page.click(".player .big")
    loud = {}
    for strength in ("0", "1"):
        visit.page.locator("#mix").fill(strength)
        visit.page.wait_for_timeout(100)
        loud[strength] = visit.page.evaluate(HEARD)
    visit.page.keyboard.press("r")
    visit.page.wait_for_timeout(100)
    assert loud["1"] < loud["0"] / 4
    assert visit.page.evaluate(HEARD) == pytest.approx(loud["0"], rel=0.3)
    assert visit.transport("return t.positionS;") < 0.32
    assert not visit.errors


def test_pictures_are_drawn_and_jumped_in(visit: Visit, finished: str) -> None:
    visit.compare(finished)
    visit.until(lambda: visit.page.evaluate(COLOURS) > 20)
    box = visit.page.locator(".scope").bounding_box()
    assert box is not None
    visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert visit.transport("return t.positionS;") == pytest.approx(1, abs=0.05)
    visit.page.keyboard.press("ArrowLeft")
    assert visit.transport("return t.positionS;") == 0
    visit.page.focus(".position")
    visit.page.keyboard.press("Shift+ArrowRight")
    assert visit.transport("return t.positionS;") == pytest.approx(0.5)
    visit.page.click("[data-version=before]")
    visit.page.keyboard.press("Space")  # plays, wherever the pointer was
    visit.until(lambda: visit.transport("return t.playing && t.version === 'before';"))
    visit.page.keyboard.press("Space")
    visit.until(lambda: not visit.transport("return t.playing;"))
    visit.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=3)
    visit.page.mouse.up()
    assert visit.transport("return t.loop;") == pytest.approx({"from": 0.5, "to": 1}, abs=0.05)
    visit.page.mouse.wheel(0, -600)
    assert visit.page.evaluate("document.querySelector('.scope') && true")
    tiles = [one for one in visit.asked if "/tiles/" in one.url]
    assert tiles
    assert all("x-api-key" in one.headers for one in tiles)
    assert not visit.errors


def test_the_report_says_what_was_removed_and_files_are_downloaded(visit: Visit, finished: str) -> None:
    visit.compare(finished)
    expect(visit.page.locator(".said")).to_contain_text("dB lower")
    report = visit.client.get(f"/denoise/{finished}/report").json()
    expect(visit.page.locator("tbody")).to_contain_text(f"{report['after']['loudness_lufs']:.1f} LUFS")
    sizes = []
    for name in ("Result", "Residual", "Original"):
        with visit.page.expect_download() as download:
            visit.page.locator(".downloads").get_by_text(name).click()
        sizes.append(len(soundfile.read(download.value.path())[0]))
    assert sizes == [32_000] * 3
    assert not visit.errors


def test_a_film_shows_its_picture_in_time(visit: Visit, tmp_path: Path, noisy_wav: Path) -> None:
    film = tmp_path / "film.webm"
    picture = ["-f", "lavfi", "-i", "color=s=64x48:r=10:d=2"]
    ffmpeg(*picture, "-i", noisy_wav, "-c:v", "libvpx", "-c:a", "libopus", film)
    job_id = visit.live.upload(film, client=visit.client)
    visit.live.events(job_id, visit.client)
    visit.compare(job_id)
    visit.transport("t.seek(1.3);")
    visit.until(lambda: visit.page.evaluate("Math.abs(document.querySelector('video').currentTime - 1.3) < 0.02"))
    visit.page.click(".player .big")
    visit.until(lambda: visit.page.evaluate("document.querySelector('video').currentTime > 1.4"))
    assert visit.page.evaluate("document.querySelector('video').muted")
    assert not visit.errors


@pytest.mark.parametrize(
    ("change_db", "sentence"),
    [(-7.9, "are 7.9 dB quieter"), (3.0, "are 3 dB louder"), (-0.4, "are as loud as before")],
)
def test_what_is_said_of_the_speech_is_what_the_report_says(
    visit: Visit, finished: str, change_db: float, sentence: str
) -> None:
    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | {"speech_level_change_db": change_db})

    visit.page.route("**/report", answer)
    visit.compare(finished)
    expect(visit.page.locator(".said")).to_contain_text(sentence)


def test_snippets_run_as_they_stand(visit: Visit, finished: str, noisy_wav: Path, tmp_path: Path) -> None:
    visit.compare(finished)
    shutil.copy(noisy_wav, tmp_path / "interview.wav")
    environment = os.environ | {"DENOISE_API_KEY": visit.key, "PYTHONPATH": str(Path("clients/python").absolute())}
    code = {name: visit.page.locator(f"[data-language={name}] code").text_content() for name in PROGRAMS}
    for name, command in PROGRAMS.items():
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run(
            [*command, str(code[name])], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert finished in done.stdout or "success" in done.stdout
    assert len(visit.client.get("/denoise", params={"q": "interview"}).json()) == 1 + len(PROGRAMS)
    assert len(soundfile.read(tmp_path / "clean.wav")[0]) == 32_000


PROGRAMS = {
    "curl": ["sh", "-ec"],
    "Python": [sys.executable, "-c"],
    "JavaScript": ["node", "--input-type=module", "-e"],
}


def test_a_picture_that_could_not_be_fetched_is_asked_for_again(visit: Visit, long_wav: Path) -> None:
    job_id = visit.live.upload(long_wav, client=visit.client)
    visit.live.events(job_id, visit.client)
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        first = len(asked) > 2 and asked.count(route.request.url) == 1  # of those after both coarsest ones
        route.abort() if first else route.continue_()

    visit.page.route("**/peaks/*", answer)
    visit.compare(job_id)
    for _ in range(4):
        visit.page.keyboard.press("Equal")  # closer, where finer ones are drawn
    visit.until(lambda: len(asked) > 2 and asked.count(asked[2]) == 2)
    assert all("ERR_FAILED" in error for error in visit.errors)

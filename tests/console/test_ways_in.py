"""Other ways in than the picker, and a server that cannot be reached."""

import re
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.audio import write_noisy
from tests.console.conftest import Visit

OFFLINE = re.compile("cannot be reached")
DENIED = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'));"
EMBLEM = "document.querySelector('.brand img').naturalWidth"


def test_the_microphone_is_recorded_and_sent(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_role("button", name="Record").click()
    stop = visit.page.get_by_role("button", name="Stop and send")
    expect(stop).to_have_attribute("aria-pressed", "true")
    visit.page.wait_for_timeout(1200)
    stop.click()
    expect(visit.page.locator(".job.done .name")).to_have_text(re.compile(r"^Recording [-\dT]+\.webm$"))
    expect(visit.page.get_by_role("button", name="Record", exact=True)).to_have_attribute("aria-pressed", "false")
    (record,) = visit.client.get("/denoise").json()
    assert record["status"] == "success"
    assert 0.5 < record["audio_duration"] < 30
    assert not visit.errors


def test_a_microphone_that_is_not_to_be_had_is_told(visit: Visit) -> None:
    visit.page.add_init_script(DENIED)
    visit.open()
    visit.page.get_by_role("button", name="Record").click()
    expect(visit.page.locator(".toast")).to_contain_text("The microphone is not available")
    expect(visit.page.get_by_role("button", name="Record", exact=True)).to_be_enabled()
    assert not visit.errors


def test_a_folder_is_dropped_anywhere_with_what_is_below_it(visit: Visit, tmp_path: Path) -> None:
    wav = write_noisy(tmp_path / "a.wav", 0.2, 8_000)
    for name in ("top.wav", "below/deeper/one.wav", "below/مقابلة.wav", ".hidden"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(wav, path)
    visit.open()
    box = visit.page.locator(".history").bounding_box()  # a visitor may miss the zone
    assert box
    hand = visit.page.context.new_cdp_session(visit.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(tmp_path / "folder")], "dragOperationsMask": 1}
        hand.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data})
    expect(visit.page.locator(".job.done")).to_have_count(3)
    assert {one["file_name"] for one in visit.client.get("/denoise").json()} == {"top.wav", "one.wav", "مقابلة.wav"}
    assert not visit.errors


def test_a_folder_is_chosen(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    write_noisy(tmp_path / "folder" / "below" / "one.wav", 0.2, 8_000)
    visit.open()
    visit.page.set_input_files("#folder", tmp_path / "folder")
    expect(visit.page.locator(".job.done .name")).to_have_text(["one.wav"])
    assert not visit.errors


@pytest.mark.parametrize("visit", [{"user": "offline", "color_scheme": "dark"}], indirect=True)
def test_without_a_connection_the_page_says_so_and_goes_on_by_itself(visit: Visit, noisy_wav: Path) -> None:
    job_id = visit.live.upload(noisy_wav, client=visit.client)
    visit.live.events(job_id, visit.client)
    visit.open()
    visit.page.context.set_offline(True)
    visit.page.evaluate(f"location.hash = '#/file/{job_id}'")
    expect(visit.page.locator("main .empty[role=status]")).to_have_text(OFFLINE)
    assert visit.page.evaluate(EMBLEM) > 0
    assert not Axe().run(visit.page).response["violations"]
    visit.page.context.set_offline(False)
    expect(visit.page.locator("h1")).to_have_text("noisy.wav")
    visit.page.wait_for_selector(".player .big:enabled")
    assert all("ERR_INTERNET_DISCONNECTED" in error for error in visit.errors)


def test_a_list_and_a_submission_wait_for_the_connection(visit: Visit, noisy_wav: Path) -> None:
    visit.open()
    visit.page.context.set_offline(True)
    visit.page.fill("#search", "noisy")
    expect(visit.page.locator(".rows .empty")).to_have_text(OFFLINE)
    visit.page.set_input_files("#picker", noisy_wav)
    expect(visit.page.locator(".job .facts")).to_have_text(re.compile("Connection lost"))
    visit.page.context.set_offline(False)
    expect(visit.page.locator(".job.done")).to_have_count(1)
    expect(visit.page.locator(".entry .name")).to_have_text(["noisy.wav"])
    assert all("ERR_INTERNET_DISCONNECTED" in error for error in visit.errors)

"""What the visitor may ask for: it reaches the server, is remembered, and is told of the result."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from munsit_denoise.engine.catalogue import has_best
from munsit_denoise.jobs.qualities import Qualities
from munsit_denoise.treatment import TRANSCRIPTION_STRENGTH
from tests.console.conftest import Visit

CHOICES = {"#keep": "dry-voice", "#quality": "best", "#format": "flac", "#loudness": "-16"}
NARROW_ARABIC = {"locale": "ar", "viewport": {"width": 320, "height": 640}, "color_scheme": "dark"}
FITS = "document.documentElement.scrollWidth <= innerWidth"
ENGLISH_LETTERS = "() => /[a-z]{4}/i.test(document.querySelector('.why, .broken p').textContent.replace('URL', ''))"


def chosen(page: Page) -> dict[str, str]:
    """Return what the lists show."""
    return {name: page.locator(name).input_value() for name in CHOICES}


@pytest.mark.skipif(not has_best(), reason="the package of quality=best is not installed")
def test_each_option_reaches_the_server_and_is_remembered(visit: Visit, noisy_wav: Path) -> None:
    visit.open()
    for name, value in CHOICES.items():
        visit.page.select_option(name, value)
    visit.page.get_by_label("For transcription").check()
    expect(visit.page.locator(".options output")).to_have_text(f"{TRANSCRIPTION_STRENGTH:.0%}".replace("%", " %"))
    visit.page.reload()
    expect(visit.page.get_by_label("Strength")).to_be_disabled()
    assert chosen(visit.page) == CHOICES
    visit.page.set_input_files("#picker", noisy_wav)
    visit.page.locator(".job.done .primary").click()
    said = visit.page.locator(".report .facts")
    expect(said).to_have_text("Strength: 40 % · Keep: Dry voice · Quality: Best · FLAC · -16 LUFS")
    (record,) = visit.client.get("/denoise").json()
    options = visit.client.get(f"/denoise/{record['id']}/report").json()["options"]
    asked = {"strength": TRANSCRIPTION_STRENGTH, "keep": "dry-voice", "quality": "best"}
    assert options == asked | {"output_format": "flac", "loudness": -16, "audio_track": 0}
    assert not visit.errors


def test_a_strength_is_a_number_again_when_it_is_not_for_transcription(visit: Visit, noisy_wav: Path) -> None:
    visit.page.add_init_script(
        'localStorage[\'munsit-denoise.options\'] ??= \'{"strength":0.4,"output_format":"mp3","loudness":-23}\''
    )  # as earlier versions remembered them
    visit.open()
    assert chosen(visit.page) == {"#keep": "voice", "#quality": "standard", "#format": "mp3", "#loudness": "-23"}
    expect(visit.page.locator(".options output")).to_have_text("40 %")
    visit.page.get_by_label("For transcription").check()
    visit.page.get_by_label("For transcription").uncheck()
    visit.page.get_by_label("Strength").fill("0.25")
    visit.page.set_input_files("#picker", noisy_wav)
    visit.page.locator(".job.done").wait_for()
    (record,) = visit.client.get("/denoise").json()
    options = visit.client.get(f"/denoise/{record['id']}/report").json()["options"]
    assert options == {"strength": 0.25, "output_format": "mp3", "loudness": -23, "audio_track": 0}
    assert not visit.errors


def test_the_usual_of_each_list_can_be_chosen_again(visit: Visit) -> None:
    visit.open()
    usual = chosen(visit.page)
    for name, value in usual.items():
        visit.page.locator(f"{name} option").last.evaluate("(option) => { option.selected = true; }")
        visit.page.select_option(name, value)
    assert chosen(visit.page) == usual
    expect(visit.page.locator("#loudness option:disabled")).to_have_count(0)
    assert not visit.errors


@pytest.mark.parametrize("stored", ["no JSON", "null", "5", "[]", '"text"', '{"strength":null,"keep":{"toString":1}}'])
def test_whatever_the_browser_has_stored_the_page_opens_and_sends(visit: Visit, noisy_wav: Path, stored: str) -> None:
    names = ("munsit-denoise.options", "munsit-denoise.uploads", "munsit-denoise.language", "munsit-denoise.theme")
    for name in names:
        visit.page.add_init_script(f"localStorage[{name!r}] ??= {json.dumps(stored)}")
    visit.open()
    expect(visit.page.locator(".options output")).to_have_text("100 %")
    visit.page.set_input_files("#picker", noisy_wav)
    visit.page.locator(".job.done").wait_for()
    visit.page.get_by_label("Strength").fill("0.25")
    visit.page.reload()
    expect(visit.page.locator(".options output")).to_have_text("25 %")
    assert not visit.errors


def test_a_quality_that_is_not_there_cannot_be_chosen_and_the_page_says_why(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Qualities, "offered", Qualities(has_best=False).offered)
    visit.page.add_init_script("localStorage['munsit-denoise.options'] = '{\"quality\":\"best\"}'")
    visit.open()
    quality = visit.page.get_by_label("Quality")
    expect(quality).to_have_value("standard")
    expect(quality.locator("[value=best]")).to_be_disabled()
    expect(quality).to_have_accessible_description(
        "Best is not installed on this server. The operator can install it: pip install 'munsit-denoise[best]'"
    )
    monkeypatch.undo()
    visit.page.get_by_role("link", name="Files").click()
    visit.page.reload()
    expect(quality.locator("[value=best]")).to_be_enabled(enabled=has_best())


@pytest.mark.parametrize("visit", [NARROW_ARABIC], indirect=True)
def test_options_and_reasons_are_arabic_and_fit_a_narrow_phone(visit: Visit) -> None:
    url = f"{visit.live.url}/none.wav"  # which the server does not connect to
    job_id = visit.client.post("/denoise", json={"url": url}).json()["denoiseId"]
    assert visit.live.events(job_id, visit.client)[-1]["stage"] == "error"
    visit.open()
    assert visit.page.evaluate("document.documentElement.dir") == "rtl"
    for word in ("الشدة", "ما يبقى", "الجودة", "للتفريغ النصي"):
        expect(visit.page.get_by_label(word)).to_be_visible()
    expect(visit.page.locator(".why")).to_contain_text("لا يتصل به هذا الخادم")
    assert not visit.page.evaluate(ENGLISH_LETTERS)
    assert visit.page.evaluate(FITS)
    assert not Axe().run(visit.page).response["violations"]
    visit.page.click(".entry .name")
    expect(visit.page.locator(".broken p")).to_contain_text("لا يتصل به هذا الخادم")
    assert not visit.page.evaluate(ENGLISH_LETTERS)
    assert visit.page.evaluate(FITS)
    assert not visit.errors

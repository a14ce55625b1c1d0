"""The visitor's key: asked for, told to be wrong, forgotten, refused by the server."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from tests.console.conftest import Visit, admin_key
from tests.live import Live

ARABIC = {"user": "revoked", "locale": "ar"}


def test_a_key_is_asked_for_once_and_forgotten_on_request(visit: Visit) -> None:
    visit.page.goto(visit.live.url)
    visit.page.fill("#key", "mds_wrong")
    visit.page.press("#key", "Enter")
    expect(visit.page.locator("#key-problem")).to_contain_text("wrong")
    visit.page.fill("#key", visit.key)
    visit.page.click(".signin button")
    expect(visit.page.locator(".history")).to_contain_text("Nothing here yet")
    visit.page.reload()
    expect(visit.page.locator(".history")).to_contain_text("Nothing here yet")
    visit.page.get_by_role("button", name="Sign out").click()
    expect(visit.page.locator("#key")).to_be_visible()
    assert visit.page.evaluate("Object.values(localStorage).join()").find(visit.key) < 0
    assert not visit.errors


def test_a_key_that_no_header_can_carry_is_told_to_be_wrong(visit: Visit) -> None:
    visit.page.goto(visit.live.url)
    visit.page.fill("#key", "مفتاح")
    visit.page.press("#key", "Enter")
    expect(visit.page.locator("#key-problem")).to_contain_text("wrong")
    visit.page.reload()
    visit.page.fill("#key", visit.key)
    visit.page.press("#key", "Enter")
    expect(visit.page.locator(".history")).to_contain_text("Nothing here yet")
    assert not visit.errors


def test_a_link_signs_in_and_its_key_leaves_the_address(visit: Visit) -> None:
    visit.open()
    assert visit.page.url == visit.live.url + "/"
    assert visit.page.evaluate("history.length") <= 2
    assert not visit.errors


@pytest.fixture
def boss(live: Live) -> Iterator[httpx2.Client]:
    """A client of an admin."""
    with httpx2.Client(base_url=live.url + "/api/v1/admin", headers={"x-api-key": admin_key(live)}) as client:
        yield client


@pytest.fixture
def other_key(live: Live) -> str:
    """Return a second key of the user whose first one is revoked."""
    return live.new_key("revoked")


def revoke(key: str, boss: httpx2.Client) -> None:
    """Let the admin revoke a key."""
    (found,) = [one["id"] for one in boss.get("/keys").json() if key.startswith(one["id"])]
    assert boss.delete(f"/keys/{found}").status_code == 204


def sign_in(visit: Visit, key: str) -> None:
    """Enter a key."""
    visit.page.fill("#key", key)
    visit.page.press("#key", "Enter")
    visit.page.wait_for_selector(".history li")


@pytest.mark.parametrize("visit", [{"user": "revoked"}], indirect=True)
def test_a_revoked_key_is_refused_once_and_another_is_asked_for(
    visit: Visit, boss: httpx2.Client, other_key: str
) -> None:
    visit.open()
    revoke(visit.key, boss)
    visit.page.fill("#search", "noisy")
    expect(visit.page.locator("#key-problem")).to_contain_text("no longer accepts this key")
    assert visit.page.evaluate("Object.values(localStorage).join()").find(visit.key) < 0
    sign_in(visit, other_key)
    assert visit.refusals() == [401]


@pytest.mark.parametrize("visit", [ARABIC], indirect=True)
def test_an_upload_with_a_revoked_key_can_be_tried_again_with_another(
    visit: Visit, boss: httpx2.Client, other_key: str, noisy_wav: Path
) -> None:
    visit.open()
    revoke(visit.key, boss)
    visit.page.set_input_files("#picker", noisy_wav)
    expect(visit.page.locator("#key-problem")).to_contain_text("لم يعد الخادم يقبل هذا المفتاح")
    sign_in(visit, other_key)
    visit.page.locator(".job.broken").get_by_role("button", name="أعد المحاولة").click()
    expect(visit.page.locator(".job.done")).to_have_count(1)
    assert set(visit.refusals()) == {401}

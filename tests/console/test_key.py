"""The visitor's key: asked for, told to be wrong, forgotten, refused by the server."""

from playwright.sync_api import expect

from tests.console.conftest import Visit


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
    visit.page.get_by_role("button", name="Forget the key").click()
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

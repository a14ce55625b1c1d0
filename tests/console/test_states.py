"""Every state in both languages and both lights: readable by everybody, quiet, still and small."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from munsit_denoise.routes.console import FOLDER
from tests.console.conftest import Visit

MOST_BYTES = 130_000
LOADED = """() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .filter((one) => one.name.includes("/console/") || one.entryType === "navigation")
  .map((one) => [one.name, one.transferSize, one.decodedBodySize])"""


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"no sound at all")
    return path


def check(visit: Visit, state: str, lights: int) -> None:
    """Check a state as it is, and in the other light as well where both are wanted."""
    for _ in range(lights):
        found = Axe().run(visit.page).response["violations"]
        assert not found, (state, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found])
        visit.page.get_by_role("button", name="Light or dark").or_(
            visit.page.get_by_role("button", name="فاتح أو داكن")
        ).click()
        visit.page.mouse.move(0, 400)


@pytest.mark.parametrize(
    ("visit", "lights"),
    [
        ({"user": "admin"}, 2),
        ({"user": "admin", "locale": "ar", "color_scheme": "dark"}, 1),
    ],  # colours speak no language
    indirect=["visit"],
)
def test_no_state_breaks_a_rule_of_accessibility(visit: Visit, lights: int, noisy_wav: Path, noise: Path) -> None:
    visit.page.goto(visit.live.url)
    visit.page.fill("#key", "mds_wrong")
    visit.page.press("#key", "Enter")
    expect(visit.page.locator("#key-problem")).not_to_be_empty()
    check(visit, "wrong key", lights)
    job_id = visit.live.upload(noisy_wav, client=visit.client)
    visit.live.events(job_id, visit.client)
    visit.open()
    visit.page.set_input_files("#picker", noise)
    expect(visit.page.locator(".job.broken")).to_have_count(1)
    check(visit, "files", lights)
    visit.compare(job_id)
    check(visit, "compare", lights)
    visit.page.evaluate("location.hash = '#/admin'")
    visit.page.wait_for_selector("#keys-title")
    check(visit, "admin", lights)
    visit.page.evaluate("location.hash = '#/file/none'")
    visit.page.wait_for_selector("main .empty[role=alert]")
    check(visit, "no such file", lights)
    assert visit.refusals() == [400, 404]


@pytest.mark.parametrize("visit", [{"user": "admin"}], indirect=True)
def test_the_page_is_small_still_and_quiet(visit: Visit, noisy_wav: Path) -> None:
    job_id = visit.live.upload(noisy_wav, client=visit.client)
    visit.live.events(job_id, visit.client)
    visit.compare(job_id)
    visit.page.evaluate("location.hash = '#/admin'")
    visit.page.wait_for_selector("#keys-title")
    visit.page.evaluate("location.hash = '#/'")
    visit.page.wait_for_selector(".history li")
    visit.page.wait_for_timeout(300)
    loaded = visit.page.evaluate(LOADED)
    assert {name.rpartition("/")[2] for name, _, _ in loaded} >= {file.name for file in FOLDER.glob("*.js")}, loaded
    assert sum(transferred for _, transferred, _ in loaded) < MOST_BYTES
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < MOST_BYTES
    assert visit.page.evaluate("window.shifted") == 0
    assert not visit.errors


@pytest.mark.parametrize("visit", [{"user": "admin"}], indirect=True)
def test_an_admin_makes_a_key_shown_once_and_revokes_it(visit: Visit) -> None:
    visit.open("#/admin")
    visit.page.fill("#user-name", "<b>new</b>")
    visit.page.get_by_role("button", name="Create", exact=True).click()
    expect(visit.page.locator("#key-user option", has_text="<b>new</b>")).to_have_count(1)
    visit.page.get_by_role("spinbutton", name="Minutes: <b>new</b>").fill("2.5")
    visit.page.get_by_role("button", name="Add minutes: <b>new</b>").click()
    expect(visit.page.locator("tr", has_text="<b>new</b>").first).to_contain_text("2.5")
    visit.page.select_option("#key-user", label="<b>new</b>")
    visit.page.fill("#key-name", "laptop")
    visit.page.select_option("#key-scope", "read")
    visit.page.get_by_role("button", name="Create key").click()
    secret = visit.page.locator(".secret").text_content() or ""
    headers = {"x-api-key": secret}
    assert visit.client.get("/denoise", headers=headers).status_code == 200
    assert visit.client.post("/denoise", headers=headers).status_code == 403
    visit.page.on("dialog", lambda dialog: dialog.accept())
    row = visit.page.locator("tr", has_text="laptop")
    row.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    assert visit.client.get("/denoise", headers=headers).status_code == 401
    assert not visit.errors


def test_only_an_admin_is_shown_the_admin_view(visit: Visit) -> None:
    visit.open("#/admin")
    visit.page.wait_for_selector(".history li")
    assert visit.page.get_by_role("link", name="Admin").count() == 0
    assert not visit.errors


def test_the_policy_lets_nothing_in(visit: Visit) -> None:
    answer = visit.page.goto(visit.live.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    refused = "try { document.body.innerHTML = '<b>x</b>'; } catch (error) { return error.name; }"
    assert visit.page.evaluate(f"() => {{ {refused} }}") == "TypeError"

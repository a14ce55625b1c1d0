"""The view for admins, with more users, keys and jobs than one answer of the server has."""

from typing import Any

import pytest
from playwright.sync_api import expect

from munsit_denoise.routes.munsit.admin import LARGEST_PAGE
from tests.console.conftest import Visit

TIME = "2026-05-12T10:14:02.000Z"
JOB = {"denoise_id": "1", "user_id": "2", "user": "boss", "state": "waiting", "percent": 0, "attempts": 0, "age_s": 9.5}
KEY = {"id": "mds_1", "user_id": "2", "user": "boss", "name": None, "scope": "full", "created_at": TIME}
ROWS: dict[str, dict[str, Any]] = {
    "queue": JOB,
    "users": {"id": "2", "name": "boss", "created_at": TIME, "priority": 0},
    "keys": KEY | {"last_used_at": None, "expires_at": None, "revoked_at": TIME},
}


@pytest.mark.parametrize("visit", [{"user": "admin"}], indirect=True)
def test_a_list_of_more_rows_than_are_shown_says_so(visit: Visit) -> None:
    rows = dict.fromkeys(ROWS, LARGEST_PAGE)

    def fill(name: str) -> None:
        visit.page.route(f"**/admin/{name}", lambda route: route.fulfill(json=[ROWS[name]] * rows[name]))

    for name in ROWS:
        fill(name)
    visit.open("#/admin")
    tile, queue = visit.page.locator(".tile strong").first, visit.page.locator("section.queue")
    expect(tile).to_have_text("1,000+")
    expect(queue).to_contain_text("The 20 oldest are shown.")
    expect(queue.locator("tbody tr")).to_have_count(20)
    for name in ("users", "keys"):
        expect(visit.page.locator(f"section.{name}")).to_contain_text("The 1,000 newest are shown.")
    rows.update(queue=LARGEST_PAGE - 1, users=LARGEST_PAGE - 1, keys=2)
    visit.page.reload()
    expect(tile).to_have_text("999")
    expect(queue).to_contain_text("The 20 oldest are shown.")
    expect(visit.page.locator("main")).not_to_contain_text("newest")
    assert not visit.errors

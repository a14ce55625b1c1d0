"""What a visitor cancels ends on the server too, at whichever step it is."""

from pathlib import Path

from playwright.sync_api import Route, expect

from tests.console.conftest import Visit

PAUSES = """async () => {
  const { pause } = await import("./console/api.js");
  const stopping = new AbortController(), { signal } = stopping;
  const listeners = new Set();
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...given) => { listeners.add(given[1]); add.apply(signal, given); };
  signal.removeEventListener = (...given) => { listeners.delete(given[1]); remove.apply(signal, given); };
  const ended = (wait) => Promise.race([wait.then(() => "ended"), new Promise((act) => setTimeout(act, 50, "waits"))]);
  const first = await ended(pause(1, signal));
  const second = ended(pause(1e6, signal));
  stopping.abort();
  return [first, await second, await ended(pause(1e6, signal)), listeners.size];
}"""


def test_a_job_is_cancelled(visit: Visit, long_wav: Path) -> None:
    visit.open()
    with visit.page.expect_response(lambda answer: answer.url.endswith("/api/v1/denoise")):
        visit.page.set_input_files("#picker", long_wav)
    visit.page.locator(".job").get_by_role("button", name="Cancel").click()
    expect(visit.page.locator(".job .facts")).to_have_text("Cancelled")
    expect(visit.page.locator(".badge.failed")).to_have_count(1)
    assert visit.client.get("/denoise").json()[0]["error"] == "The job was cancelled."
    assert not visit.errors


def test_an_upload_that_is_cancelled_before_the_server_answers_sends_nothing(visit: Visit, long_wav: Path) -> None:
    held: list[Route] = []
    visit.page.route("**/api/v1/uploads", lambda route: held.append(route))
    visit.open()
    visit.page.set_input_files("#picker", long_wav)
    visit.until(lambda: held)
    visit.page.locator(".job").get_by_role("button", name="Cancel").click()
    expect(visit.page.locator(".job .facts")).to_have_text("Cancelled")
    with visit.page.expect_response(lambda answer: answer.request.method == "DELETE") as removed:
        held[0].continue_()
    assert removed.value.status == 204
    assert [one.url for one in visit.asked if one.method == "PATCH"] == []
    assert not visit.errors


def test_a_pause_ends_with_its_signal_and_leaves_no_listener(visit: Visit) -> None:
    visit.open()
    assert visit.page.evaluate(PAUSES) == ["ended", "ended", "ended", 0]


def test_a_job_whose_submission_was_not_answered_yet_is_cancelled(visit: Visit, long_wav: Path) -> None:
    accepted: list[str] = []

    def answer(route: Route) -> None:
        if accepted:
            route.continue_()
        else:
            accepted.append(route.fetch().json()["denoiseId"])  # the page is not told

    visit.page.route("**/api/v1/denoise", answer)
    visit.open()
    visit.page.set_input_files("#picker", long_wav)
    visit.until(lambda: accepted)
    expect(visit.page.locator(".job .facts")).to_have_text("Checking the file")
    visit.page.locator(".job").get_by_role("button", name="Cancel").click()
    expect(visit.page.locator(".job.cancelled .facts")).to_have_text("Cancelled")
    expect(visit.page.locator(".badge.failed")).to_have_count(1)
    (record,) = visit.client.get("/denoise").json()
    assert (record["id"], record["error"]) == (accepted[0], "The job was cancelled.")
    assert not visit.errors


def test_a_cancelled_file_that_the_server_has_no_place_for_is_not_submitted_again(
    visit: Visit, noisy_wav: Path
) -> None:
    full = {"status": 503, "headers": {"Retry-After": "600"}, "json": {"errorMessage": "Full."}}
    visit.page.route("**/api/v1/denoise", lambda route: route.fulfill(**full))
    visit.open()
    visit.page.set_input_files("#picker", noisy_wav)
    expect(visit.page.locator(".job .facts")).to_have_text("Full.")
    visit.page.locator(".job").get_by_role("button", name="Cancel").click()
    expect(visit.page.locator(".job.cancelled .facts")).to_have_text("Cancelled")
    expect(visit.page.locator(".rows .empty")).to_contain_text("Nothing here yet")
    assert [one.url for one in visit.asked if one.method == "POST"][2:] == []  # an upload and a submission

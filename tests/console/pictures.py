"""Pictures of every state of the console, in both languages and lights, on a desk and a phone, to be looked at.

`python -m tests.console.pictures FOLDER [STATE ...]`
"""

import argparse
import itertools
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

from munsit_denoise.db.key_book import KeyOptions
from munsit_denoise.logs import configure_logging
from munsit_denoise.media.decode import UNDECODABLE
from munsit_denoise.records import Scope
from tests.audio import write_noisy
from tests.console.conftest import CHROMIUM, FLAGS, MICROPHONE, admin_key
from tests.live import Live, run_live
from tests.routes.test_scopes import key_of, pending_job

LIGHTS, LANGUAGES = ("light", "dark"), ("en", "ar")
SIZES = {"desk": {"width": 1280, "height": 860}, "phone": {"width": 360, "height": 740}}
WAITING = "11111111-0000-4000-8000-000000000000"
NAMES = ("interview.wav", "مقابلة في السوق.wav", "a-very-long-name-" + "of-a-recording-" * 6 + "2.wav")
SLOW = {"offline": False, "latency": 20, "downloadThroughput": -1, "uploadThroughput": 60_000}
State = Callable[["Scene"], None]


class Scene:
    """One look of the page, and the files that it shows."""

    def __init__(self, page: Page, live: Live, files: dict[str, str], folder: Path) -> None:
        self.page, self.live, self.files, self.folder = page, live, files, folder
        self.wire: CDPSession | None = None

    def open(self, path: str = "/", until: str = ".history li", key: str | None = None) -> None:
        """Open a view, signed in; wait until something is there."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.live.url}/#key={key or self.live.key}")
        self.page.wait_for_selector(".history li")
        if path != "/":
            self.page.evaluate("(path) => { location.hash = path; }", path)
        self.page.wait_for_selector(until)

    def compare(self, name: str) -> None:
        """Open a file that can be heard."""
        self.open(f"#/file/{self.files[name]}", ".player .big:enabled")
        self.page.wait_for_timeout(700)

    def play(self) -> None:
        """Let it be heard, with a part that is repeated."""
        self.page.evaluate("document.querySelector('.player').transport.setLoop({from: 0.6, to: 1.4})")
        self.page.click(".player .big")
        self.page.wait_for_timeout(900)

    def slow_down(self) -> None:
        """Let what is sent take a while, until the picture has been taken."""
        self.wire = self.page.context.new_cdp_session(self.page)
        self.wire.send("Network.emulateNetworkConditions", SLOW)

    def close(self) -> None:
        """Let everything be as it was."""
        self.page.context.set_offline(False)
        if self.wire is not None:
            self.wire.detach()

    def halfway(self) -> None:
        """Wait until some of an upload is there."""
        while self.page.evaluate("document.querySelector('.job progress').value") < 8:
            self.page.wait_for_timeout(50)

    def send(self, path: Path, until: str) -> None:
        """Send a file in."""
        self.page.set_input_files("#picker", path)
        self.page.wait_for_selector(until)


def sign_in(scene: Scene) -> None:
    scene.page.goto(scene.live.url)
    scene.page.evaluate("localStorage.removeItem('munsit-denoise.key')")
    scene.page.reload()
    scene.page.wait_for_selector("#key")


def wrong_key(scene: Scene) -> None:
    sign_in(scene)
    scene.page.fill("#key", "mds_wrong")
    scene.page.press("#key", "Enter")
    scene.page.wait_for_selector("#key-problem:not(:empty)")


def uploading(scene: Scene) -> None:
    scene.open()
    scene.slow_down()
    scene.page.set_input_files(
        "#picker", [scene.folder / "large.wav", scene.folder / "large2.wav", scene.folder / "x.wav"]
    )
    scene.halfway()


def broken(scene: Scene) -> None:
    scene.open()
    scene.send(scene.folder / "broken.wav", ".job.broken")
    scene.send(scene.folder / "x.wav", ".job.done")
    scene.page.wait_for_timeout(300)


def deleted(scene: Scene) -> None:
    scene.open(until=".entry")
    scene.page.locator(".entry").nth(1).locator("button").last.click()
    scene.page.wait_for_selector(".toast")


def searched(scene: Scene) -> None:
    scene.open()
    scene.page.fill("#search", "none")
    scene.page.wait_for_selector(".rows .empty, .rows li:only-child")
    scene.page.wait_for_timeout(300)


def playing(scene: Scene) -> None:
    scene.compare(NAMES[0])
    scene.play()


def admin(scene: Scene) -> None:
    scene.open("#/admin", "#keys-title", scene.files["key of an admin"])
    scene.page.wait_for_selector("tbody")


def reads(scene: Scene) -> None:
    scene.open(until=".entry", key=scene.files["key that reads"])


def recording(scene: Scene) -> None:
    scene.open()
    scene.page.locator(".drop button").first.click()
    scene.page.wait_for_selector(".recording")


def offline(scene: Scene) -> None:
    scene.open()
    scene.page.context.set_offline(True)
    scene.page.evaluate("location.hash = '#/file/none'")
    scene.page.wait_for_selector("main .empty h1")


def cut(scene: Scene) -> None:
    scene.open()
    scene.slow_down()
    scene.page.set_input_files("#picker", scene.folder / "large.wav")
    scene.halfway()
    scene.page.context.set_offline(True)
    scene.page.wait_for_timeout(1200)


STATES: dict[str, State] = {
    "sign-in": sign_in,
    "wrong-key": wrong_key,
    "empty": lambda scene: scene.open(key=scene.files["key of nobody"]),
    "files": lambda scene: scene.open(until=".entry"),
    "reads": reads,
    "uploading": uploading,
    "cut": cut,
    "broken": broken,
    "deleted": deleted,
    "searched": searched,
    "recording": recording,
    "waiting": lambda scene: scene.open(f"#/file/{WAITING}", ".stack progress"),
    "failed": lambda scene: scene.open(f"#/file/{scene.files['failed']}", ".card.broken"),
    "playing": playing,
    "long-name": lambda scene: scene.compare(NAMES[2]),
    "video": lambda scene: scene.compare("film.mp4"),
    "no-residual": lambda scene: scene.compare("loud.wav"),
    "admin": admin,
    "no-such-file": lambda scene: scene.open("#/file/none", "main .empty[role=alert]"),
    "offline": offline,
}


def prepare(live: Live, folder: Path) -> dict[str, str]:
    """Fill a history; return ids by name."""
    wav = write_noisy(folder / "x.wav", 3.0)
    write_noisy(folder / "large.wav", 30.0)
    write_noisy(folder / "large2.wav", 30.0)
    (folder / "broken.wav").write_bytes(b"no sound at all")
    film = ["-f", "lavfi", "-i", "testsrc2=d=3:s=640x360", "-i", wav, "-shortest", "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-v", "error", *film, folder / "film.mp4"], check=True)
    jobs: list[tuple[str, Path, dict[str, str]]] = [(name, wav, {}) for name in NAMES]
    jobs += [("film.mp4", folder / "film.mp4", {}), ("loud.wav", wav, {"loudness": "-16"}), ("failed", wav, {})]
    files: dict[str, str] = {}
    for name, path, options in jobs:
        answer = live.client.post("/denoise", files={"audio": (name, path.read_bytes())}, data=options)
        files[name] = answer.raise_for_status().json()["denoiseId"]
        live.events(files[name])
    with closing(sqlite3.connect(live.settings.database_path)) as connection:
        values = ["failed", None, UNDECODABLE, "failed-interview.m4a", files["failed"]]
        connection.execute(
            "UPDATE denoise_records SET status = ?, result_key = ?, error = ?, file_name = ? WHERE id = ?", values
        )
        connection.commit()
    pending_job(live, WAITING)
    files["key of nobody"], files["key of an admin"] = live.new_key("nobody"), admin_key(live)
    return files | {"key that reads": key_of(live, "tester", KeyOptions(scope=Scope.READ))}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", metavar="STATE", help=", ".join(STATES))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    configure_logging("error")
    with tempfile.TemporaryDirectory() as folder, run_live(Path(folder, "data")) as live:
        files = prepare(live, Path(folder))
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *MICROPHONE])
            for look in itertools.product(LIGHTS, LANGUAGES, SIZES):
                context = browser.new_context(locale=look[1], color_scheme=look[0], viewport=SIZES[look[2]])
                page = context.new_page()
                page.set_default_timeout(60_000)
                for name in arguments.states or STATES:
                    scene = Scene(page, live, files, Path(folder))
                    STATES[name](scene)
                    page.screenshot(path=arguments.folder / f"{'-'.join((name, *look))}.png", full_page=True)
                    scene.close()
                context.close()
            browser.close()


if __name__ == "__main__":
    main()

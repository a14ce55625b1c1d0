"""Clients that others publish, fetched once into build/, so that no test needs a registry while it runs.

`make test` fetches them; `python -m tests.published` does it alone.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "build" / "published"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
NO_WHEEL = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
# Versions and hashes as PyPI has them.
AUDO_SUITE = (
    "audoai-noise-removal==1.3.0 --hash=sha256:edfd79fcc434f934e3c2149fdd6b0842d19cefebbd06077a03424b4fcd52d4e9"
)
AUDO_OLDEST = (
    "audoai-noise-removal==0.2.2 --hash=sha256:ce5dbbdb4752abcef359913f67a0d57c49191963bfc5596f2883bf5492270d30"
)
TUS = "tus-js-client@4.3.1"


def commands(folder: str, pins: str) -> dict[str, list[str]]:
    """Return what fetches each client into a folder; `pins` is a file with the client's version and hash."""
    return {
        AUDO_SUITE: [*PIP, "download", *NO_WHEEL, "-r", pins, "-d", folder],
        AUDO_OLDEST: [*PIP, "install", "--no-deps", "--no-build-isolation", "-r", pins, "--target", folder],
        TUS: ["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, TUS],
    }


def published(client: str) -> Path:
    """Return the folder that a client was fetched into; the test is skipped where it was not."""
    folder = FOLDER / client.split()[0]
    if not folder.exists():
        pytest.skip(f"{folder.name} is not here: run `python -m tests.published`")
    return folder


def fetch(client: str) -> bool:
    """Fetch a client, if it is not here; say whether it is here now."""
    folder = FOLDER / client.split()[0]
    if folder.exists():
        return True
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch, tempfile.NamedTemporaryFile("w") as pins:
        pins.write(client)
        pins.flush()
        made = Path(scratch) / "made"
        try:
            subprocess.run(commands(str(made), pins.name)[client], check=True, timeout=180)
        except (subprocess.SubprocessError, OSError):
            return False
        made.rename(folder)
    return True


if __name__ == "__main__":
    for missing in [client.split()[0] for client in (AUDO_SUITE, AUDO_OLDEST, TUS) if not fetch(client)]:
        print(f"{missing} cannot be fetched: the tests with it are skipped", file=sys.stderr)

"""Requests of every kind that /openapi.json allows and forbids, to a server of its own; see `make fuzz-api`."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from munsit_denoise.db.key_book import KeyOptions
from munsit_denoise.jobs import limits
from munsit_denoise.logs import configure_logging
from munsit_denoise.records import Scope
from tests.live import run_live
from tests.routes.test_scopes import key_of

HOOKS = Path(__file__).with_name("fuzz_hooks.py")
PROGRAM = Path(sys.executable).with_name("schemathesis")
CASES = re.compile(r"(\d+) generated")
# What no schema can say is refused with a sentence: that a file is no recording, that an id or address leads nowhere,
# that a key has not the scope. What a schema forbids is always refused.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 403, 404, 409, 410, 413, 416, 422]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 416, 422]
[checks.missing_required_header]
expected-statuses = [400, 401, 412]
"""
# The admin's routes are asked with the admin's key, but for those that would delete a user or a key.
OF_ADMIN = """
[[operations]]
include-path-regex = "/admin/"
exclude-method = "DELETE"
headers = {{ x-api-key = "{}" }}
"""


def fuzz(folder: Path, examples: int, *options: str) -> tuple[int, int, str]:
    """Return the exit code, how many cases were sent, and what was told.

    Keys are looked for as often as it pleases: a limit would answer most of the cases in the place of the routes.
    """
    with mock.patch.object(limits, "WRONG_KEYS", 10**6), run_live(folder / "data", "/healthz") as live:
        command = [
            PROGRAM, "--config-file", folder / "schemathesis.toml", "--no-color", "run", f"{live.url}/openapi.json",
            "--header", f"x-api-key: {live.key}", "--checks", "all", "--max-examples", str(examples), "--no-shrink",
            "--generation-database", "none", "--continue-on-failure", "--request-timeout", "30", *options,
        ]  # fmt: skip
        boss = key_of(live, "boss", KeyOptions(scope=Scope.ADMIN))
        (folder / "schemathesis.toml").write_text(f'hooks = "{HOOKS}"\n{CONFIG}' + OF_ADMIN.format(boss))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    found = CASES.search(done.stdout)
    return done.returncode, int(found[1]) if found else 0, done.stdout + done.stderr


def main() -> None:
    """Send cases until there were enough; print what was told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=60, help="cases for each operation and phase")
    parser.add_argument("--least", type=int, default=2000, help="cases in all")
    arguments, options = parser.parse_known_args()
    configure_logging("error")
    with tempfile.TemporaryDirectory() as folder:
        code, cases, told = fuzz(Path(folder), arguments.examples, *options)
    print(told, f"{cases} cases in all", sep="\n")
    sys.exit(code or cases < arguments.least)


if __name__ == "__main__":
    main()

"""The JavaScript client under node, against a live server."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.audio import write_noisy
from tests.live import Live

CLIENT = Path(__file__).parents[2] / "clients/js"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def test_everything_it_does(live: Live, tmp_path: Path) -> None:
    recording = write_noisy(tmp_path / "ä.wav", 0.3)
    environment = os.environ | {"URL": live.url, "KEY": live.key, "RECORDING": str(recording)}
    command = ["node", "--test", CLIENT / "test.mjs"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_is_exported_has_a_type() -> None:
    code, types = (CLIENT / "munsit-denoise.js").read_text(), (CLIENT / "munsit-denoise.d.ts").read_text()
    exported = re.findall(r"^export (?:async )?(?:class|function) (\w+)", code, re.MULTILINE)
    methods = re.findall(
        r"^  (?:async )?\*?([a-z]\w*)\([^\n]*\) \{$", code.partition("class DenoiseClient")[2], re.MULTILINE
    )
    methods = methods[: methods.index("usage") + 1]
    declared = re.findall(r"^export (?:class|function) (\w+)", types, re.MULTILINE)
    assert sorted(exported) == sorted(declared)
    for method in methods:
        assert re.search(rf"^  {method}\(", types, re.MULTILINE), method

"""The examples of the README work as they stand."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.audio import write_noisy
from tests.live import Live


def example(language: str, containing: str) -> str:
    """Return the first example in a language that contains a phrase."""
    blocks = re.findall(rf"```{language}\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    return next(str(block) for block in blocks if containing in block)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the recording that the examples send."""
    write_noisy(tmp_path / "a.wav", 1)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "interview.mp3"]
    subprocess.run(command, check=True)
    return tmp_path


def test_python(live: Live, folder: Path) -> None:
    code = f"BASE, KEY = {live.url + '/api/v1'!r}, {live.key!r}\n" + example("python", "httpx.Client")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True)
    assert "'stage': 'done'" in done.stdout.splitlines()[-1]
    assert soundfile.info(folder / "clean.wav").samplerate == 16_000


def test_audos_python_client(live: Live, folder: Path) -> None:
    code = f"AUDO_BASE, KEY = {live.url + '/v1'!r}, {live.key!r}\n" + example("python", "NoiseRemovalClient")
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    assert soundfile.info(folder / "clean.flac").format == "FLAC"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript(live: Live, folder: Path) -> None:
    head = f"const BASE = '{live.url}/api/v1', KEY = '{live.key}';\nimport {{ readFileSync }} from 'node:fs';\n"
    head += "import { File } from 'node:buffer';\n"
    head += "const file = new File([readFileSync('interview.mp3')], 'interview.mp3');\n"
    (folder / "example.mjs").write_text(head + example("js", "FormData"))
    done = subprocess.run(["node", "example.mjs"], cwd=folder, check=True, capture_output=True, text=True)
    assert "stage: 'done'" in done.stdout


def test_curl(live: Live, folder: Path) -> None:
    submit, follow, history = (line for line in example("sh", "curl -N").splitlines() if line.startswith("curl"))
    variables = f"KEY={live.key} BASE={live.url}/api/v1; "
    answer = subprocess.run(["sh", "-c", variables + submit], cwd=folder, check=True, capture_output=True, text=True)
    job_id = answer.stdout.split('"')[-2]
    followed = subprocess.run(
        ["sh", "-c", variables + follow.replace("6f1c...", job_id)], check=True, capture_output=True, text=True
    )
    assert '"stage":"done"' in followed.stdout
    listed = subprocess.run(["sh", "-c", variables + history], check=True, capture_output=True, text=True)
    assert job_id in listed.stdout

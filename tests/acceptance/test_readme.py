"""The examples of the README, the quick start and the clients' page work as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.audio import ffmpeg, write_noisy
from tests.live import Live

CLIENTS, QUICK_START = Path("docs/clients.md"), Path("docs/quick-start.md")
JAVASCRIPT_CLIENT = Path("clients/js/munsit-denoise.js")


def examples(path: Path, language: str) -> list[str]:
    """Return the examples of a document in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the recording that the examples send."""
    write_noisy(tmp_path / "a.wav", 1)
    ffmpeg("-i", tmp_path / "a.wav", tmp_path / "interview.mp3")
    return tmp_path


@pytest.mark.parametrize(
    ("example", "output", "result"),
    list(zip(examples(CLIENTS, "python"), ["clean.flac", "'stage': 'done'", ""], ["FLAC", "WAV", "FLAC"], strict=True)),
)
def test_python(live: Live, folder: Path, example: str, output: str, result: str) -> None:
    names = {"URL": live.url, "BASE": live.url + "/api/v1", "AUDO_BASE": live.url + "/v1", "KEY": live.key}
    code = "".join(f"{name} = {value!r}\n" for name, value in names.items()) + example
    path = os.pathsep.join([str(Path("clients/python").absolute()), str(Path.cwd())])
    command, environment = [sys.executable, "-c", code], os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    assert output in done.stdout
    [written] = folder.glob("clean.*")
    assert soundfile.info(written).format == result
    assert soundfile.info(written).samplerate == 16_000


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(
    ("example", "output"), list(zip(examples(CLIENTS, "js"), [r"\d{5}", "stage: 'done'"], strict=True))
)
def test_javascript(live: Live, folder: Path, example: str, output: str) -> None:
    head = f"const URL = '{live.url}', BASE = '{live.url}/api/v1', KEY = '{live.key}';\n"
    head += "import { readFileSync } from 'node:fs';\nimport { File } from 'node:buffer';\n"
    head += "const file = new File([readFileSync('interview.mp3')], 'interview.mp3');\n"
    shutil.copy(JAVASCRIPT_CLIENT, folder)
    (folder / "example.mjs").write_text(head + example)
    done = subprocess.run(["node", "example.mjs"], cwd=folder, check=True, capture_output=True, text=True)
    assert re.search(output, done.stdout)


@pytest.mark.parametrize("document", [Path("README.md"), QUICK_START], ids=str)
def test_curl(live: Live, folder: Path, document: Path) -> None:
    """Every curl of a document, one after the other, with the id of the first job in the place of `6f1c...`."""
    job_id, outputs = "", []
    for line in "\n".join(examples(document, "sh")).replace("\\\n", " ").splitlines():
        if not line.startswith("curl"):
            continue
        command = line.replace("curl ", "curl -sS --fail-with-body ").replace("6f1c...", job_id)
        variables = f"KEY={live.key} BASE={live.url}/api/v1; "
        answer = subprocess.run(["sh", "-c", variables + command], cwd=folder, check=False, capture_output=True)
        assert answer.returncode == 0, (line, answer.stdout, answer.stderr)
        outputs.append(answer.stdout.decode(errors="replace"))
        job_id = job_id or outputs[0].split('"')[-2]
    assert '"stage":"done"' in outputs[1]
    assert any(output.startswith("[{") and job_id in output for output in outputs)
    assert len(outputs) >= 3


def test_the_arabic_readme_has_the_same_examples() -> None:
    assert examples(Path("README.ar.md"), "sh") == examples(Path("README.md"), "sh")

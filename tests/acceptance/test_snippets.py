"""The snippets of the service's own reference, with only the host changed, and our command line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from munsit_denoise import __version__
from tests.audio import write_noisy
from tests.live import Live

REQUESTS_LIST = """
import requests
url = "{base}/denoise"
response = requests.get(url, headers={{"x-api-key": "{key}"}}, params={{"offset": 0, "limit": 20}})
response.raise_for_status()
for record in response.json():
    print(record["id"], record["status"], record["audio_url"])
"""
REQUESTS_SUBMIT = """
import requests
with open("{path}", "rb") as file:
    response = requests.post("{base}/denoise", headers={{"x-api-key": "{key}"}}, files={{"audio": file}})
print(response.json()["denoiseId"])
"""
HTTPX_STREAM = """
import httpx, json
with httpx.stream("GET", "{base}/denoise/{job}/progress",
                  headers={{"x-api-key": "{key}", "Accept": "text/event-stream"}}, timeout=None) as response:
    for line in response.iter_lines():
        if line.startswith("data: "):
            event = json.loads(line[6:])
            print(event["stage"], event.get("pct", ""), event.get("url", ""))
            if event["stage"] in ("done", "error"):
                break
"""
JAVASCRIPT = """
const response = await fetch("{base}/denoise/{job}/progress", {{
  headers: {{ "x-api-key": "{key}", Accept: "text/event-stream" }},
}});
const reader = response.body.getReader();
const decoder = new TextDecoder();
let buffer = "";
while (true) {{
  const {{ done, value }} = await reader.read();
  if (done) break;
  buffer += decoder.decode(value, {{ stream: true }});
  const lines = buffer.split("\\n");
  buffer = lines.pop();
  for (const line of lines) {{
    if (line.startsWith("data: ")) {{
      const event = JSON.parse(line.slice(6));
      console.log(event.stage, event.pct ?? "", event.url ?? "");
    }}
  }}
}}
"""


def fill(snippet: str, live: Live, **values: object) -> str:
    return snippet.format(base=live.url + "/api/v1", key=live.key, **values)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout


def check_stream(output: str) -> None:
    """A short job may be done before its stream is opened: then its end is all there is."""
    lines = output.split("\n")
    assert all(line.startswith("processing ") for line in lines[:-2])
    assert lines[-2].startswith("done ")
    assert lines[-2].endswith("_denoised.wav")


def test_python_submits_follows_and_lists(live: Live, noisy_wav: Path) -> None:
    job_id = python(fill(REQUESTS_SUBMIT, live, path=noisy_wav)).strip()
    check_stream(python(fill(HTTPX_STREAM, live, job=job_id)))
    assert python(fill(REQUESTS_LIST, live)).startswith(f"{job_id} success {live.url}/denoising/")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript_follows(live: Live, noisy_wav: Path, tmp_path: Path) -> None:
    script = tmp_path / "follow.mjs"
    script.write_text(fill(JAVASCRIPT, live, job=live.upload(noisy_wav)))
    done = subprocess.run(["node", script], check=True, capture_output=True, text=True, timeout=60)
    check_stream(done.stdout)


def test_curl_submits_and_follows(live: Live, noisy_wav: Path) -> None:
    header, base = f"x-api-key: {live.key}", live.url + "/api/v1/denoise"
    submit = ["curl", "-s", "-X", "POST", base, "-H", header, "-F", f"audio=@{noisy_wav}"]
    job_id = subprocess.run(submit, check=True, capture_output=True, text=True).stdout.split('"')[-2]
    follow = ["curl", "-sN", f"{base}/{job_id}/progress", "-H", header, "-H", "Accept: text/event-stream"]
    output = subprocess.run(follow, check=True, capture_output=True, text=True, timeout=60).stdout
    messages = output.strip().split("\n\n")
    assert all(message.startswith('data: {"stage":"') for message in messages)
    assert messages[-1].startswith('data: {"stage":"done","url":"http')


def run(*arguments: str | Path, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DENOISE_DATA_DIR": str(data), "DENOISE_THREADS": "1"}
    environment |= {f"DENOISE_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "munsit_denoise", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=100)


def test_version(tmp_path: Path) -> None:
    assert run("--version", data=tmp_path).stdout.strip() == __version__


def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    created = run("keys", "create", "--user", "sara", data=tmp_path).stdout
    assert created.startswith("mds_")
    assert len(created.split()) == 1
    listed = run("keys", "list", data=tmp_path).stdout
    assert created[:12] in listed
    assert created.strip() not in listed
    assert "sara" in listed
    assert run("keys", "revoke", created[:12], data=tmp_path).stdout.strip() == "revoked: 1"
    assert "revoked" in run("keys", "list", data=tmp_path).stdout
    for prefix in ("mds_", created[:12]):
        assert run("keys", "revoke", prefix, data=tmp_path).returncode == 1


def test_db_upgrade_can_be_repeated(tmp_path: Path) -> None:
    assert [run("db", "upgrade", data=tmp_path).returncode for _ in range(2)] == [0, 0]


def test_enhance_writes_a_file_in_the_format_of_its_extension(tmp_path: Path, noisy_wav: Path) -> None:
    done = run("enhance", noisy_wav, tmp_path / "clean.flac", data=tmp_path)
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "clean.flac")
    assert (info.format, info.frames) == ("FLAC", soundfile.info(noisy_wav).frames)


def test_enhance_keeps_names_and_formats_of_a_folder(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write_noisy(source / "one.wav", 1)
    write_noisy(source / "two.ogg", 1)
    assert run("enhance", source, tmp_path / "out", data=tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.wav", "two.ogg"]
    (source / "text.txt").write_text("no sound")
    done = run("enhance", source, tmp_path / "out", data=tmp_path)
    assert done.returncode == 1
    assert "text.txt: No audio could be found" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "out" / "text.txt").exists()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("missing.wav", "out.wav", "missing.wav: No such file or directory"),
        ("text.wav", "out.wav", "No audio could be found in the file"),
        ("noisy.wav", "nowhere/out.wav", "No such file or directory"),
        ("noisy.wav", "out.nonsense", "cannot be written"),
    ],
)
def test_what_goes_wrong_is_one_line(tmp_path: Path, source: str, target: str, message: str) -> None:
    write_noisy(tmp_path / "noisy.wav", 1)
    (tmp_path / "text.wav").write_text("no sound")
    done = run("enhance", tmp_path / source, tmp_path / target, data=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert message in done.stderr.strip().splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["noisy.wav", "text.wav"]


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("port", "many", "DENOISE_PORT"),
        ("device", "tpu", "DENOISE_DEVICE"),
        ("max_upload_mb", "-1", "DENOISE_MAX_UPLOAD_MB"),
        ("database_url", "mysql://x", "DENOISE_DATABASE_URL"),
        ("database_url", "sqlite:///:memory:", "DENOISE_DATABASE_URL"),
        ("storage_url", "ftp://x", "DENOISE_STORAGE_URL"),
        ("public_url", "example.org", "DENOISE_PUBLIC_URL"),
        ("job_concurrency", "0", "DENOISE_JOB_CONCURRENCY"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(tmp_path: Path, name: str, value: str, word: str) -> None:
    done = run("serve", data=tmp_path, **{name: value})
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []

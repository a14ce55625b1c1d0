"""The snippets of the service's own reference, with only the host changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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

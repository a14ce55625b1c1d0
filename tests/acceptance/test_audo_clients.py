"""Audo's published clients, unmodified, against this server: the newest, the oldest, and their own test suite."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
import websocket
from audoai.common import MalformedFile, NoiseRemovalFailed, Unauthorized
from audoai.noise_removal import NoiseRemovalClient, WavAudioResult

from tests.audio import ffmpeg, write_noisy
from tests.live import Live, run_live
from tests.peers import Peer, run_peer
from tests.published import AUDO_OLDEST, AUDO_SUITE, published

Updates = list[dict[str, Any]]
PUBLIC_URL = "http://dl5.webmfiles.org/big-buck-bunny_trailer.webm"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with run_live(tmp_path_factory.mktemp("clients"), allowed_networks="127.0.0.0/8") as live:
        yield live


@pytest.fixture(scope="module")
def base(server: Live) -> str:
    return server.url + "/v1"


@pytest.fixture(scope="module")
def client(server: Live, base: str) -> NoiseRemovalClient:
    return NoiseRemovalClient(server.key, base)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A web server with a video on it."""
    folder = tmp_path_factory.mktemp("peer")
    sound = write_noisy(folder / "speech.wav", 2, 44_100, 2)
    sources = ["-f", "lavfi", "-i", "testsrc=d=2:s=128x96", "-i", str(sound)]
    ffmpeg(*sources, "-c:v", "libvpx", "-c:a", "libvorbis", folder / "trailer.webm")
    with run_peer(folder) as peer:
        yield peer


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_noisy(tmp_path / "in.wav", 1.5, 44_100, 2)


def saved(result: WavAudioResult, folder: Path) -> Path:
    path = folder / f"saved{result.ext}"
    result.save(str(path))
    return path


def streams(path: Path) -> list[str]:
    arguments = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)]
    return subprocess.run(["ffprobe", *arguments], check=True, capture_output=True, text=True).stdout.split()


def test_a_file(client: NoiseRemovalClient, wav: Path, tmp_path: Path) -> None:
    updates: Updates = []
    result = client.process(str(wav), on_update=updates.append)
    assert soundfile.info(saved(result, tmp_path)).frames == soundfile.info(wav).frames
    kinds = list(dict.fromkeys(update["state"] for update in updates))
    assert kinds[:2] == ["uploading", "creating_job"]
    assert kinds[-2:] == ["in_progress", "succeeded"]
    assert client.get_status(result.job_id) == updates[-1]


def test_a_file_object(client: NoiseRemovalClient, wav: Path, tmp_path: Path) -> None:
    with wav.open("rb") as file:
        result = client.process(file, "wav", output_extension=".flac")
    assert streams(saved(result, tmp_path)) == ["flac"]


@pytest.mark.parametrize(
    ("extension", "codecs"), [("mp3", ["mp3"]), ("mp4", ["h264", "aac"]), ("flac", ["flac"]), (None, ["vp8", "opus"])]
)
def test_a_url(
    client: NoiseRemovalClient, peer: Peer, tmp_path: Path, extension: str | None, codecs: list[str]
) -> None:
    updates: Updates = []
    result = client.process(f"{peer.url}/trailer.webm", output_extension=extension, on_update=updates.append)
    assert streams(saved(result, tmp_path)) == codecs
    assert updates[1] == {"state": "downloading"}


def test_output_and_auto_volume(client: NoiseRemovalClient, peer: Peer, wav: Path, tmp_path: Path) -> None:
    result = client.process(str(wav), output=f"{peer.url}/put", auto_volume=True)
    assert peer.received[-1][2] == saved(result, tmp_path).read_bytes()


def test_a_wrong_key(base: str, wav: Path) -> None:
    with pytest.raises(Unauthorized):
        NoiseRemovalClient("wrong", base).process(str(wav))


def test_no_media(client: NoiseRemovalClient, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"This is no recording." * 50)
    with pytest.raises(MalformedFile, match="No audio"):
        client.process(str(tmp_path / "a.wav"))
    with pytest.raises(NoiseRemovalFailed, match="answered 404"):
        client.process(f"{peer.url}/missing.wav")


def test_deleting_results(client: NoiseRemovalClient, wav: Path, tmp_path: Path) -> None:
    result = client.process(str(wav))
    assert isinstance(client.delete_results(result.job_id), dict)
    with pytest.raises(OSError, match="410"):
        saved(result, tmp_path)


def test_a_base_url_that_ends_in_a_slash(server: Live, wav: Path, tmp_path: Path) -> None:
    result = NoiseRemovalClient(server.key, server.url + "/v1/").process(str(wav))
    assert saved(result, tmp_path).stat().st_size > 44


def test_twenty_threads_of_one_client(client: NoiseRemovalClient, tmp_path: Path) -> None:
    path = write_noisy(tmp_path / "short.wav", 0.5)
    told: list[Updates] = []

    def run() -> None:
        updates: Updates = []
        client.process(str(path), on_update=updates.append)
        told.append(updates)

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [updates[-1]["state"] for updates in told] == ["succeeded"] * 20
    for updates in told:
        ahead = [update["jobsAhead"] for update in updates if update["state"] == "queued"]
        assert ahead == sorted(set(ahead), reverse=True)


def test_the_references_curl_and_socket(server: Live, base: str, tmp_path: Path) -> None:
    """A form by curl, its states by a plain WebSocket client, the result by curl without a key."""
    source = write_noisy(tmp_path / "a.wav", 1)
    ffmpeg("-i", source, tmp_path / "in.ogg")
    header = f"x-api-key: {server.key}"
    form = ["curl", "-s", "-X", "POST", f"{base}/remove-noise?outputExt=mp3", "-H", header]
    answer = subprocess.run([*form, "-F", f"file=@{tmp_path / 'in.ogg'}"], check=True, capture_output=True).stdout
    job_id = json.loads(answer)["jobId"]
    socket = websocket.create_connection(base.replace("http", "ws") + f"/remove-noise/{job_id}/ws", header=[header])
    states = [json.loads(message) for message in iter(socket.recv, "")]
    socket.shutdown()
    assert {state["state"] for state in states} <= {"queued", "in_progress", "succeeded"}
    status = subprocess.run(
        ["curl", "-s", f"{base}/remove-noise/{job_id}/status", "-H", header], check=True, capture_output=True
    ).stdout
    assert json.loads(status) == states[-1]
    url = f"{base}/{states[-1]['processedPath']}"
    subprocess.run(["curl", "-sf", "-o", tmp_path / "out.mp3", url], check=True)
    assert streams(tmp_path / "out.mp3") == ["mp3"]


def environment(server: Live, **extra: str) -> dict[str, str]:
    return os.environ | {"AUDO_API_KEY": server.key, "AUDO_BASE_URL": server.url + "/v1"} | extra


def test_the_clients_own_test_suite(server: Live, peer: Peer, tmp_path: Path) -> None:
    """As it is in the source archive of 1.3.0, but for the address of its video, which is on the internet."""
    with tarfile.open(next(published(AUDO_SUITE).glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    suite = next(tmp_path.glob("*/test/test_noise_removal_client.py"))
    text = suite.read_text()
    assert PUBLIC_URL in text
    suite.write_text(text.replace(PUBLIC_URL, f"{peer.url}/trailer.webm"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", suite]
    done = subprocess.run(command, env=environment(server), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_the_oldest_client(server: Live, wav: Path, tmp_path: Path) -> None:
    old = shutil.copytree(published(AUDO_OLDEST), tmp_path / "old")
    code = f"""
import os
from audoai.noise_removal import noise_removal_client
client = noise_removal_client.NoiseRemovalClient(os.environ["AUDO_API_KEY"], os.environ["AUDO_BASE_URL"])
result = client.process({str(wav)!r}, output_extension=".mp3")
assert "/v1dl/artifacts/clean/" in result.url, result.url
result.save({str(tmp_path / "out.mp3")!r})
"""
    # Its package lies before the newest one's; what it shares with it comes from there.
    link = old / "audoai" / "common"
    link.symlink_to(Path(sys.modules["audoai.common"].__file__ or "").parent)
    subprocess.run([sys.executable, "-c", code], env=environment(server, PYTHONPATH=str(old)), check=True, timeout=60)
    assert streams(tmp_path / "out.mp3") == ["mp3"]

"""The published client of tus for JavaScript, as it is: cut off at random bytes, and across kill -9 of the server."""

import math
import os
import random
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx2
import pytest

from tests.audio import write_noisy
from tests.live import ServerProcess, create_key
from tests.published import TUS, published

SCRIPT = """
const fs = require("fs");
const tus = require("tus-js-client");
const [endpoint, key, path, chunk] = process.argv.slice(2);
const upload = new tus.Upload(fs.readFileSync(path), {
  endpoint,
  headers: { "x-api-key": key },
  metadata: { filename: "مقابلة.wav", filetype: "audio/wav" },
  chunkSize: Number(chunk),
  uploadDataDuringCreation: chunk !== "Infinity",
  retryDelays: Array(300).fill(100),
  onError: (error) => { console.error(error); process.exit(1); },
  onSuccess: () => { console.log(upload.url); process.exit(0); },
});
upload.start();
"""
SEED = 7
RESET = struct.pack("ii", 1, 0)  # closing then loses what is on its way, as a broken network does


@pytest.fixture(scope="module")
def modules() -> Path:
    """Return a folder of node modules that holds the client."""
    if not shutil.which("node"):
        pytest.skip("node is missing")
    return published(TUS) / "node_modules"


class Cutter:
    """A proxy that breaks connections after so many bytes of the client, and says so."""

    def __init__(self, target: str, cuts: list[int], on_cut: Callable[[int], None]) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target, self._cuts, self._on_cut = (host, int(port)), cuts, on_cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.made, self._busy = 0, threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with suppress(OSError), closing(client), socket.create_connection(self._target) as server:
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
            sent = 0
            while data := client.recv(16_384):
                most = self._cuts[self.made] if self.made < len(self._cuts) else math.inf
                if sent + len(data) > most:
                    server.sendall(data[: max(int(most) - sent, 0)])
                    self._cut(client, server)
                    return
                server.sendall(data)
                sent += len(data)
            server.shutdown(socket.SHUT_RDWR)  # closing it would tell nobody: the thread that answers still reads it

    def _cut(self, client: socket.socket, server: socket.socket) -> None:
        self.made += 1
        if self.made % 2:
            for side in (client, server):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for side in (client, server):  # the thread that answers still holds them
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        with self._busy:  # a server that is being started is not killed
            self._on_cut(self.made)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
        with suppress(OSError):  # also after a server that was killed, or the client waits for ever
            client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "data")
    server.start()
    yield server
    server.close()


@pytest.mark.parametrize("chunk", ["Infinity", "60000"])
def test_the_published_client_goes_on_after_cuts_and_kills(
    server: ServerProcess, modules: Path, tmp_path: Path, chunk: str
) -> None:
    wav, script, rng = write_noisy(tmp_path / "a.wav", 3, 44_100, 2), tmp_path / "client.js", random.Random(SEED)
    script.write_text(SCRIPT)
    key = create_key(server.settings, "tester")

    def kill_now_and_then(cut: int) -> None:
        if cut == 4:
            server.kill()
            server.start()

    cutter = Cutter(server.url, [rng.randrange(400, 55_000) for _ in range(8)], kill_now_and_then)
    command = ["node", str(script), f"{cutter.url}/api/v1/uploads/", key, str(wav), chunk]
    done = subprocess.run(
        command, env=os.environ | {"NODE_PATH": str(modules)}, capture_output=True, text=True, check=False, timeout=100
    )
    cutter.close()
    assert done.returncode == 0, done.stderr
    assert cutter.made == 8
    upload_id = done.stdout.strip().rpartition("/")[2]
    headers = {"x-api-key": key}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=30) as client:
        assert client.post("/v1/remove-noise", json={"input": upload_id}).status_code == 200
        (record,) = client.get("/api/v1/denoise").json()
        assert record["file_name"] == "مقابلة.wav"
        assert httpx2.get(record["original_audio_url"]).content == wav.read_bytes()

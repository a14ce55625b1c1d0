"""A server that is killed: what was accepted with a key is known afterwards, what was still coming in holds none."""

import socket
from pathlib import Path

import httpx2

from tests.audio import write_noisy, write_silence
from tests.live import Live, ServerProcess, create_key
from tests.routes.test_idempotency import beginning, jobs, send, wait_for_file


def test_keys_outlive_kill_9_and_a_full_queue_and_those_of_half_submissions_do_not(tmp_path: Path) -> None:
    wav = write_noisy(tmp_path / "a.wav", 0.2, 8_000).read_bytes()
    server = ServerProcess(tmp_path / "data", MAX_PENDING_JOBS_PER_USER="2")
    try:
        server.start()
        live = Live(server.url, create_key(server.settings, "tester"), server.settings)
        accepted = send(live.client, wav, "accepted")
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as half:
            half.sendall(beginning(live.client, 100_000, "half"))
            wait_for_file(live)
            assert send(live.client, wav, "half").status_code == 409
            server.kill()
        server.start()
        again = send(live.client, wav, "accepted")
        assert (again.content, again.headers["idempotent-replayed"]) == (accepted.content, "true")
        fresh = send(live.client, wav, "half")
        assert (fresh.status_code, "idempotent-replayed" in fresh.headers) == (httpx2.codes.OK, False)
        assert jobs(live.client) == 2
        long = write_silence(tmp_path / "long.wav", 600).read_bytes()
        while send(live.client, long, None).status_code != httpx2.codes.TOO_MANY_REQUESTS:
            pass  # until as many wait as may
        assert send(live.client, wav, "accepted").content == accepted.content  # which takes no place in the queue
        live.client.close()
    finally:
        server.close()

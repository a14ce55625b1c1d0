"""Recordings in from a URL, results out to one, also from and to servers that misbehave."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from munsit_denoise.errors import FileTooLarge, ProcessingFailed
from munsit_denoise.jobs.intake import UploadLimits
from munsit_denoise.remote import download, transfer
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.download import Fetched, fetch
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.remote.transfer import TransferLimits, deliver, name_in
from tests.peers import Peer, run_peer

pytestmark = pytest.mark.anyio
LIMITS = UploadLimits(1, 15, 0, 0, 0)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(AddressPolicy(("127.0.0.0/8",))) as client:
        yield client


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with run_peer(tmp_path) as peer:
        yield peer


async def bring(client: httpx2.AsyncClient, url: str, path: Path, total_s: float = 20) -> Fetched:
    return await fetch(client, url, path, TransferLimits(total_s, LIMITS.upload_bytes), LIMITS.too_large)


async def test_a_file_comes_whole_also_over_redirects(client: httpx2.AsyncClient, peer: Peer, tmp_path: Path) -> None:
    content = bytes(range(256)) * 3000
    (tmp_path / "a.bin").write_bytes(content)
    peer.redirects |= {"/1": "/2", "/2": f"{peer.url}/a.bin"}
    assert await bring(client, f"{peer.url}/1", tmp_path / "target") == Fetched(len(content), "a.bin")
    assert (tmp_path / "target").read_bytes() == content


async def test_too_many_redirects_are_told(client: httpx2.AsyncClient, peer: Peer, tmp_path: Path) -> None:
    peer.redirects["/1"] = "/1"
    with pytest.raises(ProcessingFailed, match="too often"):
        await bring(client, f"{peer.url}/1", tmp_path / "target")
    assert len(peer.requests) <= 6


async def test_a_file_over_the_limit_is_cut(client: httpx2.AsyncClient, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    for path in ("large", "endless"):  # announced, and not
        with pytest.raises(FileTooLarge):
            await bring(client, f"{peer.url}/{path}", tmp_path / "target")
    assert (tmp_path / "target").stat().st_size <= 2**20


async def test_what_is_missing_or_cut_off_is_told(
    client: httpx2.AsyncClient, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "RESUME_PAUSE_S", 0.0)
    with pytest.raises(ProcessingFailed, match="answered 404"):
        await bring(client, f"{peer.url}/missing", tmp_path / "target")
    with pytest.raises(ProcessingFailed, match="was cut off after 5 of 1000000 bytes"):
        await bring(client, f"{peer.url}/lying", tmp_path / "target")


async def test_a_server_that_says_nothing_is_given_up(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ProcessingFailed, match="took too long"):
        await bring(client, f"http://127.0.0.1:{listener.getsockname()[1]}/", tmp_path / "target", total_s=0.3)


async def test_a_server_that_is_not_there_is_told(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ProcessingFailed, match="could not be reached"):
        await bring(client, f"http://127.0.0.1:{port}/", tmp_path / "target")


async def test_a_result_is_sent_again_until_it_arrives(
    client: httpx2.AsyncClient, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "RETRY_PAUSES_S", (0.0, 0.0, 0.0))
    (tmp_path / "a.mp3").write_bytes(b"sound" * 100_000)
    peer.answers = [503, 500]
    assert (
        await deliver(client, tmp_path / "a.mp3", f"{peer.url}/put/a?sig=1", "audio/mpeg", TransferLimits(20)) is None
    )
    assert peer.received == [("/put/a?sig=1", "audio/mpeg", b"sound" * 100_000)] * 3
    peer.answers = [500] * 4
    reason = await deliver(client, tmp_path / "a.mp3", f"{peer.url}/b", "audio/mpeg", TransferLimits(20))
    assert reason == "its server answered 500"
    assert len(peer.received) == 7


async def test_a_refused_result_is_not_sent_again(client: httpx2.AsyncClient, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"sound")
    peer.answers = [403]
    reason = await deliver(client, tmp_path / "a.mp3", f"{peer.url}/a", "audio/mpeg", TransferLimits(20))
    assert reason == "its server answered 403"
    assert len(peer.received) == 1


def test_names_come_from_the_path_of_a_url() -> None:
    assert name_in("https://a.example/b/%D9%85.mp3?x=1#y") == "م.mp3"
    assert name_in("https://a.example/") == ""

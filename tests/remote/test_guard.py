"""No address of this network is spoken to, in whatever form it is written, named or redirected to."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import anyio
import pytest

from munsit_denoise.errors import InvalidOption, ProcessingFailed
from munsit_denoise.jobs.intake import UploadLimits
from munsit_denoise.remote import guard
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.download import fetch
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.remote.transfer import REFUSED, TransferLimits, check_url
from tests.peers import run_peer

pytestmark = pytest.mark.anyio
LIMITS = UploadLimits(1, 15, 0, 0, 0)
PATIENCE = TransferLimits(20, 2**20)

PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "fd00:ec2::254",
]
LOOPBACK_FORMS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "user:secret@127.0.0.1",
]


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A socket on all addresses of this machine that nobody may connect to."""
    both = socket.has_dualstack_ipv6()
    host, family = ("::", socket.AF_INET6) if both else ("", socket.AF_INET)
    with socket.create_server((host, 0), family=family, dualstack_ipv6=both) as listener:
        listener.settimeout(0.05)
        yield listener


def assert_untouched(trap: socket.socket) -> None:
    with pytest.raises(TimeoutError):
        trap.accept()


async def refusal(url: str, folder: Path, *networks: str) -> str:
    """Return the sentence that a fetch ends with."""
    async with open_client(AddressPolicy(networks)) as client:
        with anyio.fail_after(30), pytest.raises((ProcessingFailed, InvalidOption)) as error:
            await fetch(client, check_url(url), folder / "target", PATIENCE, LIMITS.too_large)
    return str(error.value)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not AddressPolicy().permits(ip_address(address), 80)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_permitted_on_the_webs_ports(address: str) -> None:
    assert AddressPolicy().permits(ip_address(address), 443)
    assert not AddressPolicy().permits(ip_address(address), 22)


def test_an_allowed_network_is_permitted_and_no_other() -> None:
    policy = AddressPolicy(("10.1.0.0/16",))
    assert policy.permits(ip_address("10.1.2.3"), 9000)
    assert not policy.permits(ip_address("10.2.2.3"), 9000)


@pytest.mark.parametrize("host", LOOPBACK_FORMS)
async def test_no_form_of_loopback_is_contacted(trap: socket.socket, tmp_path: Path, host: str) -> None:
    sentence = await refusal(f"http://{host}:{trap.getsockname()[1]}/a.wav", tmp_path)
    assert sentence.startswith("The URL")
    assert_untouched(trap)


@pytest.mark.parametrize("address", [a for a in PRIVATE if ":" not in a])
async def test_private_literals_fail_with_a_sentence(tmp_path: Path, address: str) -> None:
    assert await refusal(f"http://{address}/a.wav", tmp_path) == REFUSED


async def test_a_name_that_resolves_to_this_network_is_refused(
    trap: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when only one of its addresses does: the next connection might take that one."""

    async def resolve(*_: object, **__: object) -> list[object]:
        return [(0, 0, 0, "", (address, 80)) for address in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(guard.anyio, "getaddrinfo", resolve)
    assert await refusal("http://innocent.example/a.wav", tmp_path) == REFUSED
    assert_untouched(trap)


async def test_a_redirect_into_this_network_is_refused(trap: socket.socket, tmp_path: Path) -> None:
    with run_peer(tmp_path) as peer:
        port = trap.getsockname()[1]
        for number, target in enumerate((f"http://[::1]:{port}/", "http://169.254.169.254/latest/meta-data/")):
            peer.redirects[f"/{number}"] = target
            assert await refusal(f"{peer.url}/{number}", tmp_path, "127.0.0.1/32") == REFUSED
    assert_untouched(trap)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/a", "file:///etc/passwd", "gopher://a/", "http://", "//a/b", "data:,a", "http://[::1", "a b"],
)
def test_only_http_urls_are_tried(url: str) -> None:
    with pytest.raises(InvalidOption):
        check_url(url)


async def test_a_redirect_to_another_scheme_is_refused(tmp_path: Path) -> None:
    with run_peer(tmp_path) as peer:
        peer.redirects["/a"] = "file:///etc/passwd"
        assert "could not be" in await refusal(f"{peer.url}/a", tmp_path, "127.0.0.0/8")

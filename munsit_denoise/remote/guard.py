"""Decides which addresses may be connected to: public ones, and networks that the operator allows.

The address is checked where the connection is made, so neither redirects nor changing DNS answers can get around it
(OWASP, "Server-Side Request Forgery Prevention").
"""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import anyio
import httpcore2

Address = IPv4Address | IPv6Address
PORTS = (80, 443)  # for public addresses
TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))  # NAT64: an IPv4 address in the last 32 bits
CONNECT_TIMEOUT_S = 10


class AddressRefused(httpcore2.ConnectError):
    """This server does not connect to the host."""


@dataclass(frozen=True)
class AddressPolicy:
    """Public addresses on ports 80 and 443, and allowed networks (CIDR) on any port."""

    allowed_networks: tuple[str, ...] = ()

    def permits(self, address: Address, port: int) -> bool:
        """Return whether this server may connect to an address."""
        if any(address in ip_network(network) for network in self.allowed_networks):
            return True
        return port in PORTS and all(_is_public(each) for each in _meanings(address))


def _meanings(address: Address) -> Iterable[Address]:
    """Yield the addresses that a network may translate it to: itself, and an embedded IPv4 address."""
    if not isinstance(address, IPv6Address):
        yield address
        return
    last_bits = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped or any(address in network for network in TRANSLATED):
        yield last_bits
        return
    yield address
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if int(address) >> 32 == 0:  # IPv4-compatible, deprecated
        yield last_bits


def _is_public(address: Address) -> bool:
    special = address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False)
    return address.is_global and not special


class GuardedBackend(httpcore2.AnyIOBackend):
    """Resolves names itself, refuses a name if any of its addresses is refused, and connects to the checked address."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of the base class
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect. Raises AddressRefused before a packet is sent, httpcore2.ConnectError, ConnectTimeout."""
        timeout_s = timeout or CONNECT_TIMEOUT_S
        addresses = await _resolve(host, port, timeout_s)
        if not all(self._policy.permits(address, port) for address in addresses):
            raise AddressRefused(host)
        error: Exception = httpcore2.ConnectError(host)
        for address in addresses:
            try:
                return await super().connect_tcp(str(address), port, timeout_s, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failure:
                error = failure
        raise error

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        """Raise AddressRefused."""
        raise AddressRefused("unix")


async def _resolve(host: str, port: int, timeout_s: float) -> Sequence[Address]:
    try:
        with anyio.fail_after(timeout_s):
            found = await anyio.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise httpcore2.ConnectTimeout(host) from None
    except (OSError, UnicodeError):
        raise httpcore2.ConnectError(host) from None
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))

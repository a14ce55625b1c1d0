"""Rate limits at the edge: a request's address, and the headers of a refusal."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import HTTPConnection

from munsit_denoise.errors import DenoiseError, Quota

SUBNET_BITS = 64  # of an IPv6 address: a network of one customer
LONGEST_ADDRESS = 64


def address_of(connection: HTTPConnection) -> str:
    """Return a request's address, as a trusted proxy reports it; for IPv6, its network of 64 bits."""
    text = connection.client.host if connection.client else ""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return text[:LONGEST_ADDRESS]
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> SUBNET_BITS << SUBNET_BITS))


def headers_of(error: DenoiseError) -> dict[str, str] | None:
    """Return the headers of an error's answer: when to retry, and the quota.

    The fields are those of draft-ietf-httpapi-ratelimit-headers-11.
    """
    if not error.retry_after_s:
        return None
    headers = {"Retry-After": str(error.retry_after_s)}
    if error.quota is not None:
        headers["RateLimit-Policy"] = f'"{error.quota.name}";{_allowance(error.quota)}'
        headers["RateLimit"] = f'"{error.quota.name}";r=0;t={error.retry_after_s}'
    return headers


def _allowance(quota: Quota) -> str:
    if quota.window_s is None:
        return f'q={quota.amount};qu="concurrent-requests"'
    return f"q={quota.amount};w={quota.window_s}"

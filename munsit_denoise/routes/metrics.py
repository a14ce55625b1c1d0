"""The endpoint for Prometheus; for this machine and the configured networks, a 404 for all others."""

import asyncio
from ipaddress import ip_address, ip_network

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from munsit_denoise.metrics import CONTENT_TYPE
from munsit_denoise.routes.state import services_of


def may_read(client: str, networks: tuple[str, ...]) -> bool:
    """Return whether an address belongs to this machine or to one of these networks."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or any(address in ip_network(network) for network in networks)


async def metrics(request: Request) -> Response:
    """GET /metrics: all metrics; the client's address is the one that a trusted proxy reports."""
    services = services_of(request)
    client = request.client.host if request.client else ""
    if not may_read(client, services.settings.metrics_from):
        return PlainTextResponse("Not Found", status_code=404)
    services.metrics.tasks.set(len(asyncio.all_tasks()))
    return Response(await to_thread.run_sync(services.metrics.render), media_type=CONTENT_TYPE)


routes = [Route("/metrics", metrics)]

"""Gives requests access to the services that the lifespan has opened."""

from functools import lru_cache

from starlette.requests import HTTPConnection

from munsit_denoise.services import Services

LONGEST_HOST = 255  # bytes, of hosts in the cache


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the app that handles a request."""
    services: Services = connection.scope["state"]["services"]
    return services


def base_url(connection: HTTPConnection) -> str:
    """Return the base of absolute URLs without a final slash: the setting, or the host of the request."""
    public_url = services_of(connection).settings.public_url
    if public_url:
        return public_url
    scope = connection.scope
    host = next((value for name, value in scope["headers"] if name == b"host"), None)
    server = tuple(scope.get("server") or ())
    place = (scope["scheme"], server, scope.get("app_root_path", scope.get("root_path", "")))
    return (_base_of if len(host or b"") <= LONGEST_HOST else _base_of.__wrapped__)(host, place)


@lru_cache(maxsize=64)  # the library needs as long for this as for a page, and the same bases recur
def _base_of(host: bytes | None, place: tuple[str, tuple[object, ...], str]) -> str:
    """Return the base for the host of a request, or for the server's scheme, address and root path."""
    scheme, server, root_path = place
    headers = [] if host is None else [(b"host", host)]
    scope = {"type": "http", "scheme": scheme, "server": server or None, "root_path": root_path, "headers": headers}
    return str(HTTPConnection(scope).base_url).rstrip("/")

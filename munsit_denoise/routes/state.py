"""How a request reaches the services that the lifespan opened."""

from starlette.requests import HTTPConnection

from munsit_denoise.services import Services


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the app that a request came to."""
    services: Services = connection.state.services
    return services


def base_url(connection: HTTPConnection) -> str:
    """Return the base of absolute URLs, without a slash at the end: the setting, or what the client asked for."""
    return services_of(connection).settings.public_url or str(connection.base_url).rstrip("/")

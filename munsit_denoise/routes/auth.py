"""Who asks: the key in the header, and nothing else, says."""

from starlette.requests import HTTPConnection

from munsit_denoise.errors import InvalidKey
from munsit_denoise.logs import remember
from munsit_denoise.records import Identity
from munsit_denoise.routes.limits import address_of
from munsit_denoise.routes.state import services_of


async def identify(connection: HTTPConnection) -> Identity:
    """Return whose key is in `x-api-key`, and which.

    Raises InvalidKey, also for two keys at once, and TooManyRequests.
    """
    keys, services = connection.headers.getlist("x-api-key"), services_of(connection)
    identity = await services.access.identify(keys[0]) if len(keys) == 1 else None
    if identity is None:
        if any(keys):
            await services.limits.count_wrong_key(address_of(connection))
        raise InvalidKey
    remember(user=services.access.name_of(identity.user_id))
    await services.limits.count_request(identity.key_id)
    return identity


async def authenticate(connection: HTTPConnection) -> str:
    """Return the id of the user whose key is in `x-api-key`. Raises InvalidKey, also for two keys at once."""
    return (await identify(connection)).user_id

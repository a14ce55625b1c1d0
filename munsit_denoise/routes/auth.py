"""Authentication by the key in the `x-api-key` header."""

from starlette.requests import HTTPConnection

from munsit_denoise.errors import InvalidKey, WrongScope
from munsit_denoise.logs import remember
from munsit_denoise.records import Identity, Scope
from munsit_denoise.routes.limits import address_of
from munsit_denoise.routes.state import services_of

RANKS = (Scope.READ, Scope.FULL, Scope.ADMIN)  # each includes the rights of those before it
LOOKING = ("GET", "HEAD")
ADMIN_ONLY = "This needs an API key with the scope admin."


async def identify(connection: HTTPConnection, needs: Scope | None = None) -> Identity:
    """Return the user and key of a request.

    `needs` is the required scope; by default `read` for GET and HEAD, `full` for other methods. Raises InvalidKey, also
    for two keys, TooManyRequests and WrongScope.
    """
    keys, services = connection.headers.getlist("x-api-key"), services_of(connection)
    identity = await services.access.identify(keys[0]) if len(keys) == 1 else None
    if identity is None:
        if any(keys):
            await services.limits.count_wrong_key(address_of(connection))
        raise InvalidKey
    remember(user=services.access.name_of(identity.user_id))
    await services.limits.count_request(identity.key_id)
    needed = needs or _needed(connection)
    if RANKS.index(identity.scope) < RANKS.index(needed):
        raise WrongScope(ADMIN_ONLY if needed is Scope.ADMIN else None)
    return identity


async def authenticate(connection: HTTPConnection, needs: Scope | None = None) -> str:
    """Return the id of the user whose key is in `x-api-key`. Raises what `identify` raises."""
    return (await identify(connection, needs)).user_id


def _needed(connection: HTTPConnection) -> Scope:
    looks = connection.scope["type"] == "websocket" or connection.scope["method"] in LOOKING
    return Scope.READ if looks else Scope.FULL

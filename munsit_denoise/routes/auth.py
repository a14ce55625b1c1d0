"""Authentication by the key in the `x-api-key` header."""

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from munsit_denoise.errors import DenoiseError, InvalidKey, WrongScope
from munsit_denoise.logs import remember
from munsit_denoise.records import Identity, Scope
from munsit_denoise.routes.limits import address_of
from munsit_denoise.routes.state import services_of

Handler = Callable[[Request, Exception], Awaitable[Response]]
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


def key_first(on_error: Handler, on_refusal: Handler) -> Handler:
    """Return a handler for a method that a path does not have, which tells first of a missing or wrong key.

    OPTIONS is exempt, because browsers send it without a key.
    """

    async def handle(request: Request, error: Exception) -> Response:
        try:
            if request.method != "OPTIONS":
                await identify(request, Scope.READ)
        except DenoiseError as refused:
            return await on_error(request, refused)
        return await on_refusal(request, error)

    return handle


def _needed(connection: HTTPConnection) -> Scope:
    looks = connection.scope["type"] == "websocket" or connection.scope["method"] in LOOKING
    return Scope.READ if looks else Scope.FULL

"""Endpoints for keys with the scope `admin`: users, keys, balances, and the state of the server."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.errors import InvalidOption
from munsit_denoise.jobs.admin import Admin, KeyInfo, KeyRequest, QueuedJob, User
from munsit_denoise.jobs.balance import MOST_MINUTES, credit_ms, minutes_of
from munsit_denoise.records import PRIORITIES, Scope
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.bodies import small_body
from munsit_denoise.routes.munsit.paging import page_of
from munsit_denoise.routes.munsit.wire import timestamp
from munsit_denoise.routes.state import services_of

MAX_BODY_BYTES = 64 * 1024
LARGEST_PAGE = 1000  # of a list without a limit
Answer = Callable[[Request, Admin], Awaitable[Response]]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class NewUser(BaseModel):
    """A user to create."""

    name: Name


class UserChange(BaseModel):
    """A change of a user; jobs of users with a higher priority run first."""

    priority: int = Field(ge=PRIORITIES[0], le=PRIORITIES[1], strict=True)


class NewKey(BaseModel):
    """A key to create; `expires` is a date such as `2027-01-01`, or a duration from now such as `30d`."""

    name: Name | None = None
    scope: Scope = Scope.FULL
    expires: str | None = None


class Rotation(BaseModel):
    """A key to replace: how long the old one stays valid, and when the new one expires."""

    grace: str = "24h"
    expires: str | None = None


class Credit(BaseModel):
    """Minutes to add to a balance."""

    minutes: float = Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False)


Body = TypeVar("Body", bound=BaseModel)


async def users(request: Request, admin: Admin) -> Response:
    """GET /admin/users: all users, newest first."""
    return _list(map(_user, await admin.users(*_part(request))))


async def add_user(request: Request, admin: Admin) -> Response:
    """POST /admin/users: create a user."""
    return JSONResponse(_user(await admin.add_user((await _read(request, NewUser)).name)), status_code=201)


async def user(request: Request, admin: Admin) -> Response:
    """GET /admin/users/{id}: one user."""
    return JSONResponse(_user(await admin.user(request.path_params["user_id"])))


async def change_user(request: Request, admin: Admin) -> Response:
    """PATCH /admin/users/{id}: set a user's priority."""
    wanted = await _read(request, UserChange)
    return JSONResponse(_user(await admin.set_priority(request.path_params["user_id"], wanted.priority)))


async def delete_user(request: Request, admin: Admin) -> Response:
    """DELETE /admin/users/{id}: remove a user with all data."""
    await admin.delete_user(request.path_params["user_id"])
    return Response(status_code=204)


async def keys(request: Request, admin: Admin) -> Response:
    """GET /admin/keys and /admin/users/{id}/keys: keys of all users, or of one, newest first."""
    return _list(map(_key, await admin.keys(request.path_params.get("user_id"), *_part(request))))


async def add_key(request: Request, admin: Admin) -> Response:
    """POST /admin/users/{id}/keys: create a key, shown once."""
    wanted = await _read(request, NewKey)
    made = KeyRequest(wanted.name, wanted.scope, wanted.expires)
    key, info = await admin.add_key(request.path_params["user_id"], made)
    return JSONResponse(_key(info) | {"key": key}, status_code=201)


async def rotate_key(request: Request, admin: Admin) -> Response:
    """POST /admin/keys/{id}/rotate: create a key that replaces another, shown once."""
    wanted = await _read(request, Rotation)
    key, info = await admin.rotate_key(request.path_params["key_id"], wanted.grace, wanted.expires)
    return JSONResponse(_key(info) | {"key": key}, status_code=201)


async def revoke_key(request: Request, admin: Admin) -> Response:
    """DELETE /admin/keys/{id}: revoke a key."""
    await admin.revoke_key(request.path_params["key_id"])
    return Response(status_code=204)


async def balances(request: Request, admin: Admin) -> Response:
    """GET /admin/balances: the balances of all users, newest first."""
    return _list(map(_balance, await admin.users(*_part(request))))


async def balance(request: Request, admin: Admin) -> Response:
    """GET /admin/users/{id}/balance: the balance of one user."""
    return JSONResponse(_balance(await admin.user(request.path_params["user_id"])))


async def credit(request: Request, admin: Admin) -> Response:
    """POST /admin/users/{id}/balance: add minutes to a balance."""
    amount_ms = credit_ms((await _read(request, Credit)).minutes)
    return JSONResponse(_balance(await admin.credit(request.path_params["user_id"], amount_ms)))


async def queue(request: Request, admin: Admin) -> Response:
    """GET /admin/queue: the jobs that have not ended, oldest first."""
    return _list(map(_queued, await admin.queue(*_part(request))))


async def disk(_: Request, admin: Admin) -> Response:
    """GET /admin/disk: free space, and what is stored."""
    found = await admin.disk()
    return JSONResponse({"free_bytes": found.free_bytes} | vars(found.stored))


async def rates(_: Request, admin: Admin) -> Response:
    """GET /admin/rates: figures of the last hour."""
    found = await admin.rates()
    ended = found.ended
    body = {"window_s": found.window_s, "jobs": ended.success + ended.failed} | vars(ended)
    return JSONResponse(body | {"real_time_factor": found.real_time_factor})


def _part(request: Request) -> tuple[int, int]:
    offset, limit = page_of(request)
    return offset, min(limit or LARGEST_PAGE, LARGEST_PAGE)


async def _read(request: Request, kind: type[Body]) -> Body:
    """Return the content of a JSON body; an empty body counts as an empty object. Raises InvalidOption."""
    try:
        return kind.model_validate_json(await small_body(request, MAX_BODY_BYTES) or b"{}")
    except ClientDisconnect:
        raise HTTPException(400) from None  # the client is gone
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = str(wrong["loc"][0]) if wrong["loc"] else "The body"
        raise InvalidOption(f"{where} is wrong: {wrong['msg']}.") from None


def _list(entries: Iterable[dict[str, Any]]) -> Response:
    return JSONResponse(list(entries))


def _user(found: User) -> dict[str, Any]:
    about = {"id": found.id, "name": found.name, "created_at": timestamp(found.created_at_us)}
    return about | {"priority": found.priority}


def _balance(found: User) -> dict[str, Any]:
    return {"user_id": found.id, "user": found.name, "minutes_available": minutes_of(found.available_ms)}


def _key(info: KeyInfo) -> dict[str, Any]:
    return {
        "id": info.prefix,
        "user_id": info.user_id,
        "user": info.user_name,
        "name": info.name,
        "scope": info.scope,
        "created_at": timestamp(info.created_at_us),
        "last_used_at": _moment(info.last_used_at_us),
        "expires_at": _moment(info.expires_at_us),
        "revoked_at": _moment(info.revoked_at_us),
    }


def _queued(found: QueuedJob) -> dict[str, Any]:
    return {
        "denoise_id": found.job.id,
        "user_id": found.job.user_id,
        "user": found.job.user_name,
        "state": found.state,
        "percent": found.percent,
        "attempts": found.job.attempts,
        "age_s": round(found.age_s, 3),
    }


def _moment(time_us: int | None) -> str | None:
    return None if time_us is None else timestamp(time_us)


def _route(path: str, method: str, answer: Answer) -> Route:
    """Return a route that checks the scope first."""

    async def guarded(request: Request) -> Response:
        await authenticate(request, Scope.ADMIN)
        return await answer(request, services_of(request).admin)

    guarded.__doc__ = answer.__doc__
    return Route(f"/admin{path}", guarded, methods=[method], name=f"admin_{answer.__name__}")


routes = [
    _route("/users", "GET", users),
    _route("/users", "POST", add_user),
    _route("/users/{user_id}", "GET", user),
    _route("/users/{user_id}", "PATCH", change_user),
    _route("/users/{user_id}", "DELETE", delete_user),
    _route("/users/{user_id}/keys", "GET", keys),
    _route("/users/{user_id}/keys", "POST", add_key),
    _route("/users/{user_id}/balance", "GET", balance),
    _route("/users/{user_id}/balance", "POST", credit),
    _route("/keys", "GET", keys),
    _route("/keys/{key_id}", "DELETE", revoke_key),
    _route("/keys/{key_id}/rotate", "POST", rotate_key),
    _route("/balances", "GET", balances),
    _route("/queue", "GET", queue),
    _route("/disk", "GET", disk),
    _route("/rates", "GET", rates),
]

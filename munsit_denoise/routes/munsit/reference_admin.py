"""Descriptions of the routes for keys with the scope `admin`."""

from dataclasses import replace
from typing import Any

from munsit_denoise import errors
from munsit_denoise.routes.munsit import examples
from munsit_denoise.routes.munsit.admin import Credit, NewKey, NewUser, Rotation, UserChange
from munsit_denoise.routes.munsit.models_admin import Balance, Disk, KeyInfo, NewKeyInfo, QueuedJob, Rates, User
from munsit_denoise.routes.reference.operation import COUNT, KEYED, Answer, Content, Errors, Operation, query

PAGE = (
    query("offset", COUNT, "Number of entries to skip; past the end the list is empty.", 0),
    query("limit", COUNT | {"minimum": 1}, "Largest number of entries; 1000 if absent.", 20),
)
USER = {"id": examples.USER, "name": "sara", "created_at": "2026-05-12T10:14:02.000Z", "priority": 0}
BALANCE = {"user_id": examples.USER, "user": "sara", "minutes_available": 118.5}
NEW_KEY = examples.KEY | {"key": "mds_4fT9aK2xQ7vWc1LpZ8sNd3RgHb6YtEoJ"}
QUEUED = {
    "denoise_id": examples.JOB,
    "user_id": examples.USER,
    "user": "sara",
    "state": "running",
    "percent": 48,
    "attempts": 1,
    "age_s": 3.214,
}
DISK = {"free_bytes": 10**12, "originals_bytes": 984_000, "results_bytes": 10_848_600, "uploads_bytes": 0}
RATES = {"window_s": 3600.0, "jobs": 42, "success": 40, "failed": 2, "sound_s": 3750.0, "real_time_factor": 52.1}
ONE: Errors = (*KEYED, errors.NotFound)
PART: Errors = (*KEYED, errors.InvalidPage)
WRITING: Errors = (*KEYED, errors.InvalidOption, errors.UploadTooSlow, errors.ShuttingDown, errors.StorageFull)


def _list(summary: str, kind: Any, example: Any, kinds: Errors = PART, order: str = "Newest") -> Operation:
    answer = Answer(f"{order} first, at most 1000.", (Content(list[kind], [example]),))
    return Operation(summary, "admin", (answer,), kinds, parameters=PAGE)


def _made(summary: str, kind: Any, example: Any, body: Content, kinds: Errors) -> Operation:
    answer = Answer("Created.", (Content(kind, example),), 201)
    return Operation(summary, "admin", (answer,), kinds, contents=(body,))


def _shown(summary: str, kind: Any, example: Any, kinds: Errors = KEYED) -> Operation:
    return Operation(summary, "admin", (Answer("The present state.", (Content(kind, example),)),), kinds)


ADMIN: dict[str, Operation] = {
    "GET /admin/users": _list("List the users", User, USER),
    "POST /admin/users": _made(
        "Create a user", User, USER, Content(NewUser, {"name": "sara"}), (*WRITING, errors.AlreadyThere)
    ),
    "GET /admin/users/{user_id}": _shown("Get a user", User, USER, ONE),
    "PATCH /admin/users/{user_id}": Operation(
        "Give a user's jobs a priority",
        "admin",
        (Answer("The user as they are now.", (Content(User, USER | {"priority": 10}),)),),
        (*WRITING, errors.NotFound),
        contents=(Content(UserChange, {"priority": 10}),),
    ),
    "DELETE /admin/users/{user_id}": Operation(
        "Delete a user with keys, recordings and uploads",
        "admin",
        (Answer("Deleted.", status=204),),
        (*ONE, errors.StorageBroken),
    ),
    "GET /admin/users/{user_id}/keys": _list("List a user's keys", KeyInfo, examples.KEY, (*PART, errors.NotFound)),
    "POST /admin/users/{user_id}/keys": replace(
        _made(
            "Create a key; it is shown only in this answer",
            NewKeyInfo,
            NEW_KEY,
            Content(NewKey, {"name": "laptop", "scope": "full", "expires": "30d"}),
            (*WRITING, errors.NotFound),
        ),
        needs_body=False,
    ),
    "GET /admin/users/{user_id}/balance": _shown("Get a user's balance", Balance, BALANCE, ONE),
    "POST /admin/users/{user_id}/balance": Operation(
        "Add minutes to a balance",
        "admin",
        (Answer("The new balance.", (Content(Balance, BALANCE),)),),
        (*WRITING, errors.NotFound),
        contents=(Content(Credit, {"minutes": 120}),),
    ),
    "GET /admin/keys": _list("List the keys", KeyInfo, examples.KEY),
    "DELETE /admin/keys/{key_id}": Operation(
        "Revoke a key", "admin", (Answer("Revoked.", status=204),), (*ONE, errors.InvalidOption)
    ),
    "POST /admin/keys/{key_id}/rotate": replace(
        _made(
            "Replace a key; the new one is shown only in this answer",
            NewKeyInfo,
            NEW_KEY,
            Content(Rotation, {"grace": "24h"}),
            (*WRITING, errors.NotFound),
        ),
        needs_body=False,
    ),
    "GET /admin/balances": _list("List the balances", Balance, BALANCE),
    "GET /admin/queue": _list("List the jobs that have not ended, oldest first", QueuedJob, QUEUED, order="Oldest"),
    "GET /admin/disk": _shown("Get the disk usage", Disk, DISK),
    "GET /admin/rates": _shown("Get the rates of the last hour", Rates, RATES),
}

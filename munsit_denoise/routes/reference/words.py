"""Texts about the API as a whole."""

from typing import Any

from munsit_denoise.routes.munsit.examples import JOB, SECRET, USER

TITLE = "munsit-denoise"
DESCRIPTION = (
    "Noise removal for recordings and videos. Two dialects serve the same jobs: Munsit's below `/api/v1`, with "
    "additions, and Audo's below `/v1`. Every request has its key in `x-api-key`; downloads of recordings and results "
    "need none, because their path contains a secret. An answer that refuses a request temporarily (429, 503) says in "
    "`Retry-After` when to try again. The settings of a server are listed under `x-settings`."
)
TAGS = {
    "jobs": "Submit recordings, follow their progress, list the jobs.",
    "records": "One job: record, report, residual, tiles, cancelling and deleting.",
    "uploads": "Resumable uploads: tus 1.0.0.",
    "webhooks": "Notification of another server when a job ends, and the log of deliveries.",
    "usage": "Jobs, minutes and bytes of a user.",
    "admin": "Users, keys, balances and the work of the server, for keys with the scope admin.",
    "audo": "The dialect of Audo's clients, in both of its forms.",
    "files": "Recordings and results, for everyone who knows their path.",
    "server": "Health, metrics and this reference.",
}
_UUID = {"type": "string", "format": "uuid"}
_NUMBER = {"type": "string", "pattern": "^[0-9]{1,6}$"}
PATH_PARAMETERS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "denoise_id": (_UUID, "The job's id.", JOB),
    "job_id": (_UUID, "The job's id.", JOB),
    "user_id": (_UUID, "The user's id.", USER),
    "upload_id": ({"type": "string", "minLength": 1}, "The upload's id.", "5b1f0f3e-6d0f-4a37-9d59-1c1c9a6e5a11"),
    "delivery_id": ({"type": "string", "minLength": 1}, "The delivery's id.", "msg_5b1f0f3e6d0f4a379d591c1c9a6e5a11"),
    "key_id": ({"type": "string", "minLength": 1}, "The key's first digits.", "mds_4fT9aK2x"),
    "name": ({"type": "string", "minLength": 1}, "The file's name.", f"{SECRET}_denoised.wav"),
    "sound": ({"type": "string", "enum": ["before", "after"]}, "The original, or the result.", "before"),
    "level": (_NUMBER, "Level of detail; 0 is the finest.", "0"),
    "number": (_NUMBER, "Number of the tile, from 0.", "0"),
}

"""What is said of the whole."""

from typing import Any

from munsit_denoise.routes.munsit.examples import JOB, SECRET, USER

TITLE = "munsit-denoise"
DESCRIPTION = (
    "Noise removal for recordings and videos. Two dialects over the same jobs: that of Munsit below `/api/v1`, with "
    "additions of our own, and that of Audo below `/v1`. Every request carries its key in `x-api-key`; downloads of "
    "recordings and results need none, as the secret stands in their path. What refuses a request for now (429, 503) "
    "says in `Retry-After` when to come back. The settings of a server stand under `x-settings`."
)
TAGS = {
    "jobs": "Recordings in, their progress, their results.",
    "records": "One job: its record, its report, what was removed, its pictures, its end.",
    "uploads": "Uploads that can be interrupted: tus 1.0.0.",
    "webhooks": "The end of jobs, told to another server, and the log of it.",
    "usage": "What a user has used.",
    "admin": "Users, keys, balances and the server's work, for keys with the scope admin.",
    "audo": "The dialect of Audo's clients, both forms of it.",
    "files": "Recordings and results, for whoever knows their path.",
    "server": "Whether the server works, and what describes it.",
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
    "level": (_NUMBER, "How fine it is; 0 is the finest.", "0"),
    "number": (_NUMBER, "Which tile, from 0.", "0"),
}

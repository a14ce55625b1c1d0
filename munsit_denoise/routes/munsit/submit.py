"""POST /denoise: a recording in a form, or JSON that names its source."""

import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.errors import InvalidOption, MissingFile
from munsit_denoise.jobs.idempotency import KeyedSubmission, content_digest
from munsit_denoise.jobs.intake import Received
from munsit_denoise.names import parameters
from munsit_denoise.records import Options, Origin
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.bodies import small_body
from munsit_denoise.routes.munsit.options import FORM_FIELDS, Fields, in_words, read_json
from munsit_denoise.routes.munsit.wire import accepted
from munsit_denoise.routes.state import base_url, services_of
from munsit_denoise.routes.uploads import FormBody, Shape, expected_bytes

FILES, MUNSIT = ("audio", "file"), Origin.MUNSIT
MAX_JSON_BYTES = 64 * 1024
KEY = re.compile(r"[!-~]{1,255}")
REPLAYED = {"Idempotent-Replayed": "true"}
WRONG_KEY = "Idempotency-Key must be given once, as 1 to 255 visible ASCII characters."


async def submit(request: Request) -> Response:
    """POST /denoise: accept a recording, or return the earlier job of the same Idempotency-Key."""
    user_id = await authenticate(request)
    kind, _ = parameters(request.headers.get("content-type", "").encode("latin-1"))
    try:
        async with services_of(request).idempotency.submission(user_id, _key_of(request)) as keyed:
            submission = _Submission(request, user_id, keyed)
            job_id = await (submission.take_json() if kind == "application/json" else submission.take_form())
    except ClientDisconnect:
        return Response(status_code=400)  # the client is gone
    except InvalidOption as error:
        raise in_words(error) from None
    return JSONResponse(accepted(job_id), headers=REPLAYED if keyed.first else None)


def _key_of(request: Request) -> str | None:
    """Return the Idempotency-Key of a request, or None. Raises InvalidOption."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not KEY.fullmatch(keys[0]):
        raise InvalidOption(WRONG_KEY)
    return keys[0]


class _Submission:
    """One request, with its user, and whether it is the first with its key."""

    def __init__(self, request: Request, user_id: str, keyed: KeyedSubmission) -> None:
        self._request, self._user_id, self._keyed = request, user_id, keyed
        services = services_of(request)
        self._admission, self._jobs = services.admission, services.submission
        self._base = base_url(request)

    async def take_json(self) -> str:
        """Accept a JSON object that names a URL or an upload; return the job's id. Raises what `Submission` raises."""
        with self._place():
            fields = read_json(await small_body(self._request, MAX_JSON_BYTES), self._jobs.qualities)
            if fields.upload_id is None:
                return await self._take_url(fields)
            return await self._take_upload(fields.upload_id, fields.options(self._base))

    async def take_form(self) -> str:
        """Accept a form with a file or a URL; return the job's id. Raises what `Submission` raises."""
        limits, fields = self._jobs.limits, Fields(self._jobs.qualities)
        expected = expected_bytes(self._request, limits)
        form = FormBody(self._request, Shape(FILES, FORM_FIELDS, fields.take), limits)
        with self._place(expected):
            if await form.find_file():
                fields.stand_beside_file()
                return await self._take_file(form, fields)
            if fields.url is None:
                raise MissingFile
            return await self._take_url(fields)

    def _place(self, expected_bytes: int = 0) -> AbstractContextManager[None]:
        """Reserve a place for a new job; a repeated submission needs none."""
        return nullcontext() if self._keyed.first else self._admission.job(self._user_id, expected_bytes)

    async def _take_url(self, fields: Fields) -> str:
        assert fields.url is not None  # the caller has checked
        options = fields.options(self._base)
        self._keyed.wants(f"url:{fields.url}", options)
        if self._keyed.first is not None:
            return self._keyed.first.job_id
        return (await self._jobs.submit_url(self._user_id, fields.url, options, MUNSIT, self._keyed.beside)).id

    async def _take_upload(self, upload_id: str, options: Options) -> str:
        named = f"upload:{upload_id}"
        if self._keyed.has_key and not self._keyed.repeats(named, options):
            digest = await self._jobs.upload_digest(self._user_id, upload_id)
            self._keyed.wants(f"file:{digest}", options, named)
        if self._keyed.first is not None:
            return self._keyed.first.job_id
        return (await self._jobs.submit_upload(self._user_id, upload_id, options, MUNSIT, self._keyed.beside)).id

    async def _take_file(self, form: FormBody, fields: Fields) -> str:
        digest = content_digest()

        def options() -> Options:
            """Return the options of the whole form."""
            asked = fields.options(self._base)
            self._keyed.wants(f"file:{digest.hexdigest()}", asked)
            return asked

        async def receive(path: Path) -> Received:
            received = await form.store(path, digest if self._keyed.has_key else None)
            return replace(received, options=options())

        if self._keyed.first is not None:
            await form.consume(digest)
            options()
            return self._keyed.first.job_id
        record = await self._jobs.submit(self._user_id, MUNSIT, Options(), receive, self._keyed.beside)
        return record.id


routes = [Route("/denoise", submit, methods=["POST"])]

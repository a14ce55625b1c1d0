"""Munsit's history, by page or complete, with filters by status and name and links to neighbouring pages."""

from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from munsit_denoise.errors import InvalidPage
from munsit_denoise.jobs.history import RecordFilter
from munsit_denoise.records import Status
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.etags import json_unless_known, tagged
from munsit_denoise.routes.language import wording_of
from munsit_denoise.routes.munsit.paging import LARGEST, joined, page_of
from munsit_denoise.routes.munsit.wire import entries
from munsit_denoise.routes.state import base_url, services_of

LARGEST_PAGE = 500  # a longer list is streamed
LONGEST_WORDS = 1_000  # characters; no file name is longer
PATH = "/api/v1/denoise"


async def history(request: Request) -> Response:
    """GET /denoise: a page of the history, or all of it."""
    user_id = await authenticate(request)
    offset, asked = page_of(request)
    wanted = _wanted(request, user_id)
    past, base = services_of(request).history, base_url(request)
    words = wording_of(request)
    encode, told = entries(base, words), words.headers
    if asked is not None and asked <= LARGEST_PAGE:
        read = asked + 1  # one more shows whether there is a next page
        page, is_more = await past.page(
            wanted, offset, read, lambda rows: (tagged(encode(rows[:asked])), len(rows) > asked)
        )
        return json_unless_known(request, page, told | _links(request, base, (offset, asked), is_more=is_more))
    batches = past.all(wanted, offset, asked or LARGEST, encode)
    first = await anext(batches)  # what can go wrong does so before the answer begins
    if asked is not None:
        is_more = offset + asked <= LARGEST and await past.page(wanted, offset + asked, 1, bool)
        told |= _links(request, base, (offset, asked), is_more=is_more)
    return StreamingResponse(joined(first, batches), headers=told, media_type="application/json")


def _wanted(request: Request, user_id: str) -> RecordFilter:
    """Return the filter of a request. Raises InvalidPage."""
    status, words = request.query_params.get("status"), request.query_params.get("q", "")
    if status is not None and status not in list(Status):
        raise InvalidPage("status must be pending, success or failed")
    if len(words) > LONGEST_WORDS:
        raise InvalidPage(f"q must have at most {LONGEST_WORDS} characters")
    return RecordFilter(user_id, Status(status) if status is not None else None, words)


def _links(request: Request, base: str, page: tuple[int, int], *, is_more: bool) -> dict[str, str]:
    """Return the header with links to the previous and the next page (RFC 8288), if there are any.

    `page` is the offset and the limit of this page.
    """
    links, (offset, limit) = [], page
    if is_more and offset + limit <= LARGEST:
        links.append(f'<{base}{_page_path(request, offset + limit, limit)}>; rel="next"')
    if offset > 0:
        links.append(f'<{base}{_page_path(request, max(offset - limit, 0), min(limit, offset))}>; rel="prev"')
    return {"Link": ", ".join(links)} if links else {}


def _page_path(request: Request, offset: int, limit: int) -> str:
    others = [item for item in request.query_params.multi_items() if item[0] not in ("offset", "limit")]
    return f"{PATH}?{urlencode([*others, ('limit', limit), ('offset', offset)], quote_via=quote)}"


routes = [Route("/denoise", history, methods=["GET"])]

"""The language of an answer's sentence: the preference in `Accept-Language`, by default English."""

from collections.abc import Mapping

from starlette.requests import HTTPConnection

from munsit_denoise.messages import ENGLISH, choose_language, translate


def in_language(
    connection: HTTPConnection, sentence: str, headers: Mapping[str, str] | None = None
) -> tuple[str, dict[str, str]]:
    """Return a sentence in the client's preferred language, and the headers of the answer."""
    language = choose_language(connection.headers.get("accept-language", ""))
    said = {"Content-Language": language, "Vary": "Accept-Language"} if language != ENGLISH else {}
    return translate(sentence, language), {**(headers or {}), **said}

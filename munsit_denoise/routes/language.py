"""The language of an answer's sentences: what `Accept-Language` prefers, English where nothing is said."""

from collections.abc import Mapping

from starlette.requests import HTTPConnection

from munsit_denoise.messages import ENGLISH, choose_language, translate

ALL = "translation"  # in `Prefer` (RFC 7240): the sentences as well that a reference fixes


def language_of(connection: HTTPConnection) -> str:
    """Return the language that a client prefers."""
    return choose_language(connection.headers.get("accept-language", ""))


def headers_in(language: str) -> dict[str, str]:
    """Return what an answer in a language says of it; nothing in English."""
    return {"Content-Language": language, "Vary": "Accept-Language"} if language != ENGLISH else {}


def wants_all(connection: HTTPConnection) -> bool:
    """Say whether a client wants the sentences translated as well that programs may match."""
    return ALL in [item.strip().lower() for item in connection.headers.get("prefer", "").split(",")]


def in_language(
    connection: HTTPConnection, sentence: str, headers: Mapping[str, str] | None = None
) -> tuple[str, dict[str, str]]:
    """Return a sentence in the language that a client prefers, and the headers of its answer."""
    language = language_of(connection)
    return translate(sentence, language), {**(headers or {}), **headers_in(language)}

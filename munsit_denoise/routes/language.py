"""The language of an answer's sentences: what `Accept-Language` prefers, English where nothing is said."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from munsit_denoise.jobs.pipeline import EXTRACTING, REDUCING
from munsit_denoise.messages import ENGLISH, choose_language, translate
from munsit_denoise.records import CANCELLED, DELETED

ALL = "translation"  # in `Prefer` (RFC 7240): the sentences as well that a reference fixes
FIXED = frozenset({EXTRACTING, REDUCING, DELETED, CANCELLED})  # of records and events: programs may match them


@dataclass(frozen=True)
class Wording:
    """How the sentences of records and events are told to a client."""

    language: str = ENGLISH
    fixed_too: bool = False

    def __call__(self, sentence: str) -> str:
        """Return a sentence of ours in the client's language; a fixed one only if the client wants all translated."""
        return translate(sentence, self.language) if self.fixed_too or sentence not in FIXED else sentence

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says of its language; nothing in English."""
        return headers_in(self.language)


IN_ENGLISH = Wording()


def wording_of(connection: HTTPConnection) -> Wording:
    """Return how records and events are told to a client."""
    return Wording(language_of(connection), wants_all(connection))


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

"""Words in a text, in any case: of all scripts (Unicode's case folding), while SQLite's own LIKE knows ASCII alone."""

import re
import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, and_, bindparam, cast, func, or_

FUNCTION = "has_folded"  # of two texts: whether the first holds the second, which is folded already


def matches(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a text holds the words of `parameters`.

    Texts of ASCII, most of them, are looked at by SQLite itself, a hundred times as fast as by the function; a text
    with other characters has more bytes than characters.
    """
    other = func.length(cast(column, LargeBinary)) != func.length(column)
    folded = getattr(func, FUNCTION)(column, bindparam("words"))
    return or_(and_(~other, column.like(bindparam("pattern"), escape="\\")), and_(other, folded == 1))


def parameters(words: str) -> dict[str, object]:
    """Return the words as the condition's parameters; what LIKE has a meaning for stands for itself."""
    if not words:
        return {"words": "", "pattern": "%%"}
    words = folded(words)
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", words) + "%"
    return {"words": words, "pattern": "" if "\0" in words else pattern}


def has_folded(text: str | None, words: str) -> bool:
    """Say whether a text holds words that are folded already."""
    return text is not None and words in folded(text)


def folded(text: str) -> str:
    """Return a text such that two which differ in case, or in how accents are written, are the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())

"""Searches text ignoring case in all scripts (Unicode case folding); SQLite's LIKE does so for ASCII only."""

import re
import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, func, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

FUNCTION = "has_folded"  # of two texts: whether the first contains the second, which is folded


class byte_length(GenericFunction[int]):  # noqa: N801 - the name in SQL
    """The length of a text in UTF-8 bytes."""

    type = Integer()
    inherit_cache = True


@compiles(byte_length, "sqlite")
def _in_sqlite(element: byte_length, compiler: Any, **keywords: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **keywords)} AS BLOB))"


@compiles(byte_length, "postgresql")
def _in_postgres(element: byte_length, compiler: Any, **keywords: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **keywords)})"


def matches(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a text contains the words of `parameters`.

    For ASCII text, the most common, the database's own LIKE is a hundred times as fast as the function; other text has
    more bytes than characters. In PostgreSQL, migrations create the function.
    """
    other = byte_length(column) != func.length(column)
    folded = getattr(func, FUNCTION)(column, bindparam("words"))
    return or_(and_(~other, column.ilike(bindparam("pattern"), escape="\\")), and_(other, folded == 1))


def parameters(words: str) -> dict[str, object]:
    """Return the words as parameters of the condition, with LIKE's wildcards escaped."""
    if not words:
        return {"words": "", "pattern": "%%"}
    words = folded(words)
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", words) + "%"
    return {"words": words, "pattern": "" if "\0" in words else pattern}


def has_folded(text: str | None, words: str) -> bool:
    """Return whether a text contains folded words."""
    return text is not None and words in folded(text)


def folded(text: str) -> str:
    """Return a text in which differences of case and of the encoding of accents are removed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())

"""Words in a text, in any case: of all scripts (Unicode's case folding), while SQLite's own LIKE knows ASCII alone."""

import re
import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, func, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

FUNCTION = "has_folded"  # of two texts: whether the first holds the second, which is folded already


class byte_length(GenericFunction[int]):  # noqa: N801 - the name in SQL
    """How many bytes a text has in UTF-8."""

    type = Integer()
    inherit_cache = True


@compiles(byte_length, "sqlite")
def _in_sqlite(element: byte_length, compiler: Any, **keywords: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **keywords)} AS BLOB))"


@compiles(byte_length, "postgresql")
def _in_postgres(element: byte_length, compiler: Any, **keywords: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **keywords)})"


def matches(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a text holds the words of `parameters`.

    Texts of ASCII, most of them, are looked at by the database itself, a hundred times as fast as by the function, that
    PostgreSQL has from the migrations; a text with other characters has more bytes than characters.
    """
    other = byte_length(column) != func.length(column)
    folded = getattr(func, FUNCTION)(column, bindparam("words"))
    return or_(and_(~other, column.ilike(bindparam("pattern"), escape="\\")), and_(other, folded == 1))


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

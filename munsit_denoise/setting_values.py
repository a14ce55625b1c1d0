"""Which values a setting can have, in words."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

REFUSAL = "Input should be"  # how pydantic begins what it says of a wrong value


def requirement(field: FieldInfo, refusal: str) -> str:
    """Return what a value must be, from the field's type and from what pydantic says of a wrong value."""
    values = _values(field) if refusal.startswith(REFUSAL) else None
    return f"it must be {values}" if values else refusal.replace(REFUSAL, "it must be", 1)


def is_address(value: str) -> bool:
    """Return whether a value is an IP address."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def is_network(value: str) -> bool:
    """Return whether a value is a network of IP addresses, or one of them."""
    try:
        ip_network(value)
    except ValueError:
        return False
    return True


def is_server_url(value: str) -> bool:
    """Return whether a URL names a server, or leaves it to libpq, with a port that is a number."""
    try:
        parts = urlsplit(value)
        return "//" in value and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _values(field: FieldInfo) -> str | None:
    """Return the values of a number or a switch; None if the field is neither."""
    if field.annotation is bool:
        return "true or false"
    if field.annotation not in (int, float):
        return None
    word = "a whole number" if field.annotation is int else "a number"
    (least,) = (one.ge for one in field.metadata if isinstance(one, Ge))
    (most,) = (one.le for one in field.metadata if isinstance(one, Le))
    return f"{word} from {least:g} to {int(most)}"  # type: ignore[call-overload]

"""API keys: create, list, rotate, revoke."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import anyio
import typer

from munsit_denoise.commands.opening import (
    bring_up_to_date,
    fail,
    one_line_errors,
    settings_of_command,
    use_database,
    with_database,
)
from munsit_denoise.db.engine import now_us
from munsit_denoise.db.key_book import KeyBook, KeyInfo, KeyOptions
from munsit_denoise.db.key_form import BEGINNING, SHOWN_DIGITS
from munsit_denoise.help import PlainCommand
from munsit_denoise.private import private_files
from munsit_denoise.records import Scope
from munsit_denoise.times import duration_s, moment_us

Result = TypeVar("Result")
Expires = Annotated[
    str | None, typer.Option(metavar="WHEN", help="When it expires: 30d from now, or a day such as 2027-01-01.")
]
Digits = Annotated[str, typer.Argument(metavar="DIGITS", help="The first digits, as `keys list` shows them.")]
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys: create, list, rotate, revoke.")


@app.command("create", cls=PlainCommand)
def create_key(
    user: Annotated[str, typer.Option(metavar="NAME", help="User who owns the key; created if new.")],
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="What the key is for.")] = None,
    scope: Annotated[
        Scope,
        typer.Option(
            metavar="full|read|admin",
            help="read: only view, listen and download; admin: also manage users and keys.",
        ),
    ] = Scope.FULL,
    expires: Expires = None,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    settings = settings_of_command()
    with private_files(), one_line_errors():
        options = KeyOptions(name, scope, _expiry(expires))
        served = bring_up_to_date(settings)
        key = anyio.run(with_database, settings, lambda database: KeyBook(database).create(user, options))
        if not served:
            typer.echo(f"No server is running on this data. The key is in {settings.database_path}", err=True)
    typer.echo(key)


@app.command("list", cls=PlainCommand)
def list_keys() -> None:
    """List the keys by their first digits."""
    for key in _use_keys(lambda keys: keys.list()):
        typer.echo(_line(key))


@app.command("rotate", cls=PlainCommand, short_help="Replace a key by a new one.")
def rotate_key(
    prefix: Digits,
    grace: Annotated[str, typer.Option(metavar="TIME", help="How long the old key stays valid, such as 24h.")] = "24h",
    expires: Expires = None,
) -> None:
    """Replace a key: print a new one with its user, name and scope; the old one stops working after the grace period.

    The new key is valid for as long as the old one was, counted from now, unless --expires is given.
    """
    _check_digits(prefix)
    with one_line_errors():
        grace_us, expires_at_us = duration_s(grace) * 1_000_000, _expiry(expires)
    typer.echo(_use_keys(lambda keys: keys.rotate(prefix[:SHOWN_DIGITS], grace_us, expires_at_us)))


@app.command("revoke", cls=PlainCommand)
def revoke_keys(prefix: Digits) -> None:
    """Revoke every key that begins with these digits."""
    _check_digits(prefix)
    count = _use_keys(lambda keys: keys.revoke(prefix[:SHOWN_DIGITS]))
    if not count:
        fail(f"no valid key begins with {prefix}")
    typer.echo(f"revoked: {count}")


def _use_keys(use: Callable[[KeyBook], Awaitable[Result]]) -> Result:
    return use_database(lambda database: use(KeyBook(database)))


def _check_digits(prefix: str) -> None:
    if BEGINNING.startswith(prefix):
        fail(f"Give at least {len(BEGINNING) + 1} digits, as `keys list` shows them.")


def _expiry(expires: str | None) -> int | None:
    return None if expires is None else moment_us(expires, now_us())


def _line(key: KeyInfo) -> str:
    """Return a line on a key: the columns that all keys have, then the optional ones."""
    state = "revoked" if key.revoked else "expired" if key.expired else "valid"
    parts = [f"{key.prefix}…", _minute(key.created_at_us), f"{state:8}{key.scope:6}{key.user_name}"]
    if key.name:
        parts.append(f"name: {key.name}")
    if key.expires_at_us is not None:
        parts.append(f"expires: {_minute(key.expires_at_us)}")
    parts.append(f"last used: {_minute(key.last_used_at_us) if key.last_used_at_us is not None else 'never'}")
    return "  ".join(parts)


def _minute(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M}"

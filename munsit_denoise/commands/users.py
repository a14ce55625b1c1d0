"""Users: list, credit minutes, set a priority, delete."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

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
from munsit_denoise.db.balance import Account, Balances
from munsit_denoise.db.engine import Database
from munsit_denoise.db.users import Users
from munsit_denoise.help import PlainCommand
from munsit_denoise.jobs.balance import credit_ms, minutes_of
from munsit_denoise.jobs.user_removal import STOP_S, delete_user
from munsit_denoise.private import private_files
from munsit_denoise.records import PRIORITIES

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user, as `users list` shows them.")]
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Users: list, credit, set priority, delete.")


@app.command("list", cls=PlainCommand, short_help="List the users with minutes and priority.")
def list_users() -> None:
    """List the users: when they were created, the minutes that they have left, their priorities, their names."""

    async def act(database: Database) -> tuple[Sequence[Account], dict[str, int]]:
        return await Balances(database).accounts(), await Users(database).priorities()

    accounts, priorities = use_database(act)
    for account in accounts:
        created = datetime.fromtimestamp(account.created_at_us / 1e6, UTC)
        minutes = "-" if account.available_ms is None else f"{minutes_of(account.available_ms):g}"
        typer.echo(f"{created:%Y-%m-%d %H:%M}  {minutes:>12}  {priorities.get(account.id, 0):>4}  {account.name}")


@app.command("credit", cls=PlainCommand)
def credit(
    name: Name, minutes: Annotated[float, typer.Argument(metavar="MINUTES", help="How many, such as 90 or 2.5.")]
) -> None:
    """Add minutes to a user's balance. They count while DENOISE_BALANCE=on."""
    with one_line_errors():
        amount_ms = credit_ms(minutes)
    available_ms = use_database(lambda database: Balances(database).credit(name, amount_ms))
    typer.echo(f"{name} has {minutes_of(available_ms):.15g} minutes")


@app.command(
    "priority",
    cls=PlainCommand,
    short_help="Show or set a user's priority.",
    context_settings={"ignore_unknown_options": True},  # -5 is a number
)
def priority(
    name: Name,
    number: Annotated[
        int | None,
        typer.Argument(metavar="[NUMBER]", min=PRIORITIES[0], max=PRIORITIES[1], help="-100 to 100; 0 is the default."),
    ] = None,
) -> None:
    """Show or set a user's priority: jobs of users with a higher one run first."""

    async def act(database: Database) -> int:
        users = Users(database)
        user_id = await users.find(name)
        if number is not None:
            await users.set_priority(user_id, number)
        return (await users.priorities()).get(user_id, 0)

    typer.echo(f"{name} has the priority {use_database(act)}")


@app.command("delete", cls=PlainCommand)
def delete(name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False) -> None:
    """Delete a user with all keys, recordings, results and uploads. A server may be running."""
    settings = settings_of_command()
    if not settings.is_cluster and not settings.database_path.exists():
        fail(f"there are no users yet: the database {settings.database_path} does not exist")
    with private_files(), one_line_errors():
        served = bring_up_to_date(settings)
        anyio.run(with_database, settings, lambda database: Users(database).find(name))
        if not yes:
            typer.confirm(f"Delete {name} with all keys, recordings and results?", abort=True)
        from munsit_denoise.storages import open_storage  # other commands do not need it

        storage = open_storage(settings)

        async def remove(database: Database) -> None:
            await delete_user(Users(database), storage, name, STOP_S if served else 0)

        anyio.run(with_database, settings, remove)
    typer.echo(f"deleted: {name}")

"""Webhooks: the secret that signs them."""

from typing import Annotated

import typer

from munsit_denoise.commands.opening import use_database
from munsit_denoise.db.engine import Database
from munsit_denoise.db.users import Users
from munsit_denoise.db.webhook_secrets import WebhookSecrets
from munsit_denoise.help import PlainCommand

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Webhooks: the secret that signs them.")


@app.callback()
def _group() -> None:
    """Make this a group, although it has only one command."""


@app.command("secret", cls=PlainCommand, short_help="Print the secret that signs a user's webhooks.")
def secret(
    user: Annotated[str, typer.Option(metavar="NAME", help="User whose secret is printed.")],
    rotate: Annotated[bool, typer.Option("--rotate", help="Create a new secret; the old one ends at once.")] = False,
) -> None:
    """Print the secret that signs the webhooks of a user, and nothing else."""

    async def find(database: Database) -> str:
        await Users(database).find(user)  # its error names the user and the next step
        secrets = WebhookSecrets(database)
        return await (secrets.rotate(user) if rotate else secrets.of_name(user))

    typer.echo(use_database(find))

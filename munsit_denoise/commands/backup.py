"""`backup` and `restore`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import anyio
import typer

from munsit_denoise.commands.opening import one_line_errors, settings_of_command
from munsit_denoise.lock import only_server
from munsit_denoise.private import make_private, private_files

MIB = 2**20


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A folder that is new or empty.")],
    link: Annotated[
        bool,
        typer.Option("--link", help="Hard-link files instead of copying them; needs the same disk, but no space."),
    ] = False,
) -> None:
    """Save the database and all recordings into a folder; a server may be running.

    Run the command again to continue a backup that was interrupted.
    """
    settings = settings_of_command()
    with private_files(), one_line_errors():
        from munsit_denoise.backup.saving import save  # other commands do not need it

        made = anyio.run(lambda: save(settings, target, link=link))
    size_bytes = sum(content.size_bytes for content in made.files.values())
    typer.echo(f"saved: {len(made.files)} files, {size_bytes // MIB} MiB, and the database, to {target}")
    _warn_of_missing(made.missing)


def restore(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder that `backup` has made.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Set existing data aside first; nothing is deleted.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Check the backup, and change nothing.")] = False,
) -> None:
    """Restore a backup after checking its digests. Stop the server first."""
    settings = settings_of_command()
    with private_files(), one_line_errors():
        from munsit_denoise.backup import restoring  # other commands do not need it

        if check:
            found = restoring.check_backup(source)
            typer.echo(f"the backup is intact: {len(found.files)} files and the database, of {found.created_at}")
            return
        with only_server(settings):
            found, aside = anyio.run(lambda: restoring.restore(settings, source, overwrite=overwrite))
            make_private(settings.database_path)
    typer.echo(f"restored: {len(found.files)} files and the database, of {found.created_at}")
    for place in aside:
        typer.echo(f"set aside: {place}")
    _warn_of_missing(found.missing)


def _warn_of_missing(keys: Sequence[str]) -> None:
    if keys:
        told = f"{len(keys)} files of the database are missing from the storage, {keys[0]} among them"
        typer.echo(f"munsit-denoise: warning: {told}", err=True)

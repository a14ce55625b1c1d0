"""Noise removal for recordings and videos: a server, and a command for files and folders."""

from typing import Annotated

import typer

from munsit_denoise import __version__
from munsit_denoise.commands import keys, users, webhooks
from munsit_denoise.commands.backup import backup, restore
from munsit_denoise.commands.doctor import doctor
from munsit_denoise.commands.move import move
from munsit_denoise.commands.opening import bring_up_to_date, one_line_errors, settings_of_command
from munsit_denoise.commands.remote import remote
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.help import PlainCommand
from munsit_denoise.private import private_files
from munsit_denoise.treatment import Keep, Quality, strength_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=__doc__,
)
db_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Database schema: upgrade.")
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(db_app, name="db")


def main() -> None:
    """Run the command line."""
    app(prog_name="munsit-denoise")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def serve(
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="Port to listen on.")] = None,
) -> None:
    """Run the server; the first start creates the database and a first API key."""
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_of_command(**chosen)
    with one_line_errors():
        from munsit_denoise.serve import run_server  # other commands do not need it

        run_server(settings)


def enhance(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Files, or folders of files; - is standard input.")
    ],
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="A file, its format by extension; a folder; - is standard output.")
    ],
    strength: Annotated[
        float,
        typer.Option(parser=strength_of, metavar="0..1|transcription", help="How much of the noise is removed."),
    ] = 1.0,
    quality: Annotated[
        Quality | None,
        typer.Option(
            metavar="standard|best",
            help="best: two models together, better and slower.",
            show_default="standard, or DENOISE_QUALITY",
        ),
    ] = None,
    keep: Annotated[
        Keep,
        typer.Option(
            metavar="voice|voice+music|dry-voice",
            help="voice+music removes only the steady background, dry-voice also the reverberation.",
        ),
    ] = Keep.VOICE,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="EXT", help="Format of results: wav, flac, mp3 and so on.")
    ] = None,
    loudness: Annotated[
        float | None,
        typer.Option(metavar="LUFS", help="Loudness of the results, -70 to 0 LUFS, such as -16."),
    ] = None,
    track: Annotated[int, typer.Option(metavar="N", help="Which audio track of a file; 0 is the first.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip files whose result exists: to continue after Ctrl-C.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Include folders within folders, or leave them out.")
    ] = True,
    jobs: Annotated[int, typer.Option(metavar="N", help="Files processed at the same time, 1 to 64.")] = 1,
    json_: Annotated[bool, typer.Option("--json", help="Print one line of JSON per file on standard output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.")] = False,
) -> None:
    """Remove the noise from files or from whole folders; needs no server.

    Exit codes: 0 success, 1 some files failed, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.
    """
    settings = settings_of_command()
    with one_line_errors():
        from munsit_denoise.batch.command import run_command
        from munsit_denoise.batch.order import Order

        order = Order(
            inputs=tuple(inputs),
            output=output,
            strength=strength,
            quality=quality,
            keep=keep,
            extension=format_,
            level_lufs=loudness,
            track=track,
            overwrite=overwrite,
            skip_existing=skip_existing,
            recursive=recursive,
            jobs=jobs,
            json=json_,
            dry_run=dry_run,
        )
        raise typer.Exit(run_command(settings, order))


def worker() -> None:
    """Run jobs for servers on other machines; all use the same PostgreSQL database."""
    settings = settings_of_command()
    with one_line_errors():
        from munsit_denoise.worker import run_worker  # other commands do not need it

        run_worker(settings)


@db_app.command("upgrade", cls=PlainCommand)
def upgrade_database() -> None:
    """Upgrade the database to this version's schema. Stop servers of other versions first."""
    settings = settings_of_command()
    with private_files(), one_line_errors():
        if settings.is_cluster:
            upgrade(settings.database)
        else:
            bring_up_to_date(settings)


for command, told in (  # in the order of the help
    (enhance, "Remove the noise from files and folders, without a server."),
    (remote, "Send files to a server and download the results."),
    (serve, "Run the server."),
    (worker, "Run the jobs of a cluster."),
    (doctor, "Check this installation and say what to fix."),
    (backup, "Save database and recordings into a folder."),
    (restore, "Restore a backup."),
    (move, "Move this installation into a cluster."),
):
    app.command(cls=PlainCommand, short_help=told)(command)

"""The command `remote`: processes files on a server."""

from pathlib import Path
from typing import Annotated

import typer

from munsit_denoise.treatment import Keep, Quality, strength_of


def remote(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Recordings and videos.")],
    url: Annotated[str, typer.Option(metavar="URL", envvar="DENOISE_URL", help="Address of the server.")],
    key: Annotated[
        str,
        typer.Option(metavar="KEY", envvar="DENOISE_API_KEY", help="API key; the variable hides it from `ps`."),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="OUT", help="A file, its format by extension; or a folder."),
    ] = "",
    strength: Annotated[
        float | None,
        typer.Option(parser=strength_of, metavar="0..1|transcription", help="How much of the noise is removed."),
    ] = None,
    quality: Annotated[
        Quality | None, typer.Option(metavar="standard|best", help="best: two models together, better and slower.")
    ] = None,
    keep: Annotated[
        Keep | None,
        typer.Option(
            metavar="voice|voice+music|dry-voice",
            help="voice+music removes only the steady background, dry-voice also the reverberation.",
        ),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="EXT", help="Format of results: wav, flac, mp3, or original.")
    ] = None,
    loudness: Annotated[
        float | None, typer.Option(metavar="LUFS", help="Loudness of the results, -70 to 0 LUFS, such as -16.")
    ] = None,
    track: Annotated[int | None, typer.Option(metavar="N", help="Which audio track of a file; 0 is the first.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Files sent at the same time.")] = 2,
) -> None:
    """Send files to a server and download the results; needs no PyTorch and no ffmpeg here.

    Without OUT, a result is written next to its file, as NAME_denoised.wav.
    Exit codes: 0 success, 1 some files failed, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.
    """
    from munsit_denoise.commands.sending import Errand, run_errand  # other commands do not need it

    options = {
        name: value
        for name, value in (
            ("strength", strength),
            ("quality", quality and quality.value),
            ("keep", keep and keep.value),
            ("output_format", format_),
            ("loudness", loudness),
            ("audio_track", track),
        )
        if value is not None
    }
    errand = Errand(tuple(files), output, options, overwrite=overwrite, jobs=jobs)
    raise typer.Exit(run_errand(errand, url, key))

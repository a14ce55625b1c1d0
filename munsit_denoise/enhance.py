"""What `munsit-denoise enhance` does: files through the pipeline without a server."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from anyio import to_thread
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from munsit_denoise.errors import DenoiseError
from munsit_denoise.jobs.pipeline import Denoiser, Report, Work, enhance_file
from munsit_denoise.media.formats import result_extension
from munsit_denoise.media.probe import AudioTrack, probe
from munsit_denoise.settings import Settings


async def enhance_paths(settings: Settings, source: Path, target: Path, strength: float) -> int:
    """Enhance a file, or every file of a folder under its own name; return how many of a folder failed.

    Raises OSError and DenoiseError when there is but one file.
    """
    pairs = _pairs(source, target)
    engine = _Engine(settings, strength)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    failed = 0
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        for one_source, one_target in pairs:
            task = bar.add_task(one_source.name, total=100)
            report = partial(_show, bar, task)
            try:
                await _enhance_one(one_source, one_target, engine, report)
            except (DenoiseError, OSError) as error:
                if len(pairs) == 1:
                    raise
                failed += 1
                bar.console.print(f"{one_source}: {error}", markup=False, highlight=False, soft_wrap=True)
    return failed


class _Engine:
    """Loads PyTorch and the model when the first recording turns out to be one."""

    def __init__(self, settings: Settings, strength: float) -> None:
        self._settings, self._strength = settings, strength
        self._make: Callable[[int, int, float], Denoiser] | None = None

    def denoiser(self, track: AudioTrack) -> Denoiser:
        if self._make is None:
            from munsit_denoise.engine.open import open_engine

            self._make = open_engine(self._settings.device, self._settings.threads, self._settings.precision)
        return self._make(track.sample_rate_hz, track.channels, self._strength)


def _show(bar: Progress, task: TaskID, percent: int, _: str) -> None:
    bar.update(task, completed=percent)


async def _enhance_one(source: Path, target: Path, engine: _Engine, report: Report) -> None:
    track = await probe(source)
    extension = result_extension(target.suffix, "")
    with _appearing(target) as part:
        denoiser = await to_thread.run_sync(engine.denoiser, track)
        await enhance_file(Work(source, part, track, extension), denoiser, report)
    report(100, "")


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Yield a path beside the target, of its extension; it takes the target's place when all went well."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", suffix=target.suffix, delete=False) as file:
        part = Path(file.name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _pairs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    source.stat()  # raises with the name when it is missing
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return [(file, target / file.name) for file in sorted(source.iterdir()) if file.is_file()]
    with source.open("rb"):
        pass  # an unreadable file is told here, in one line
    if target.is_dir():
        target = target / source.name
    return [(source, target)]

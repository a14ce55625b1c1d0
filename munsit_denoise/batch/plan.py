"""Decides which input becomes which output before anything is written."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from munsit_denoise.batch.names import result_name, shown
from munsit_denoise.batch.order import PIPE, Order, Pair, UsageError
from munsit_denoise.batch.paths import Identity, descriptor, identity, is_special, is_terminal
from munsit_denoise.engine.catalogue import has_best
from munsit_denoise.errors import DenoiseError, InvalidOption
from munsit_denoise.media.formats import FORMATS, NEEDS_PICTURE, result_extension
from munsit_denoise.media.probe import probe
from munsit_denoise.records import LEVELS_LUFS, STRENGTHS, TRACKS
from munsit_denoise.treatment import Quality

STDIN, STDOUT = 0, 1  # descriptors
JOBS = (1, 64)


@dataclass
class Plan:
    """The files to process."""

    pairs: list[Pair] = field(default_factory=list)
    refused: list[tuple[Pair, str]] = field(default_factory=list)  # with the reason
    ignored: int = 0  # hidden files and links
    many: bool = True  # False: one file, whose failure is that of the command
    inputs: set[Identity] = field(default_factory=set)


def make_plan(order: Order) -> Plan:
    """Return the plan of an order. Raises UsageError; for a single file also OSError and DenoiseError."""
    _check(order)
    if len(order.sources) == 1 and not order.sources[0].is_dir() and not _is_folder(order.output):
        plan = Plan([_single(order)], many=False)
    else:
        plan = _into_folder(order)
    plan.inputs = {known for pair in plan.pairs if (known := identity(pair.source))}
    if not plan.many and identity(plan.pairs[0].target) in plan.inputs and not is_special(order.target):
        raise UsageError(f"OUTPUT is INPUT: {shown(order.output)}. The original would be lost; give another name.")
    return plan


def _check(order: Order) -> None:
    _check_options(order)
    if not all((*order.inputs, order.output)):
        raise UsageError("INPUT and OUTPUT cannot be empty.")
    _check_streams(order)
    if any(is_terminal(source) for source in order.sources):
        raise UsageError("Standard input is a terminal. Send a recording: munsit-denoise enhance - OUTPUT < RECORDING")
    if descriptor(order.target) == STDOUT and order.json:
        raise UsageError("--json and the result cannot both go to standard output. Write the result to a file.")
    if is_terminal(order.target) and not order.dry_run:
        raise UsageError("The result would go to the terminal. Redirect it: munsit-denoise enhance INPUT - > RESULT")


def _check_streams(order: Order) -> None:
    """Refuse a standard stream that is closed, because its descriptor may belong to another file."""
    if sys.__stdout__ is None and descriptor(order.target) == STDOUT:
        raise UsageError("Standard output is closed.")
    if sys.__stdin__ is None and any(descriptor(source) == STDIN for source in order.sources):
        raise UsageError("Standard input is closed.")


def _check_options(order: Order) -> None:
    if order.overwrite and order.skip_existing:
        raise UsageError("--overwrite and --skip-existing contradict each other. Give one of them.")
    for option, value, (least, most) in (
        ("--strength", order.strength, STRENGTHS),
        ("--loudness", order.level_lufs, LEVELS_LUFS),
        ("--track", order.track, TRACKS),
        ("--jobs", order.jobs, JOBS),
    ):
        if value is not None and not least <= value <= most:
            raise UsageError(f"{option} must be from {least:g} to {most:g}, not {value:g}.")
    if order.quality is Quality.BEST and not has_best():
        raise UsageError(
            "The package for --quality best (or DENOISE_QUALITY=best) is not installed. "
            "Run: pip install 'munsit-denoise[best]'"
        )
    if order.extension:
        try:
            result_extension(order.extension, "")
        except InvalidOption as error:
            raise UsageError(f"--format: {error}") from None


def _is_folder(output: str) -> bool:
    return output.endswith("/") or Path(output).is_dir()


def _single(order: Order) -> Pair:
    source, target = order.sources[0], order.target
    if not is_special(source):
        with source.open("rb"):
            pass  # reports a missing or unreadable file
    size_bytes = source.stat().st_size
    suffix = target.suffix[1:].lower()
    if is_special(target):
        own = suffix if suffix in FORMATS else "wav"
        return Pair(source, target, result_extension(order.extension, own), size_bytes)
    extension = result_extension(order.extension or suffix, "")
    if suffix in FORMATS and suffix != extension:
        raise UsageError(f"OUTPUT ends in .{suffix}, but --format says {extension}.")
    return Pair(source, target, extension, size_bytes)


def _into_folder(order: Order) -> Plan:
    plan = Plan()
    output = order.target
    if is_special(output) or (output.exists() and not output.is_dir()):
        raise UsageError(f"{shown(order.output)} is not a folder. Results of a folder or of several files need one.")
    for given, source in zip(order.inputs, order.sources, strict=True):
        if source.is_dir():
            inner = output / Path(os.path.abspath(source)).name if len(order.inputs) > 1 else output  # noqa: PTH100
            _check_folder(source, output)
            _check_folder(source, inner)
            _add_folder(plan, order, source, inner)
        else:
            name = Path("stdin") if given == PIPE else source
            _add(plan, order, Pair(source, output / name.name, ""), Path(name.name))
    _separate(plan)
    return plan


def _check_folder(source: Path, output: Path) -> None:
    if identity(source) == identity(output):
        raise UsageError(f"OUTPUT is INPUT: {shown(output)}. The originals would be lost; give another folder.")


def _add_folder(plan: Plan, order: Order, source: Path, target: Path) -> None:
    for folder, names, problem in _walk(plan, order, source):
        below = target / folder.relative_to(source)
        if problem is not None:
            plan.refused.append((Pair(folder, below, ""), problem))
        for name in names:
            path = folder / name
            _add(plan, order, Pair(path, below / name, "", found=True), Path(name))


def _walk(plan: Plan, order: Order, source: Path) -> Iterator[tuple[Path, list[str], str | None]]:
    """Yield folders, the names of their files, and why a folder cannot be read; without hidden files and links.

    The output's folder is left out too, so that results are not processed again.
    """
    output = identity(order.target)
    waiting = [source]
    while waiting:
        folder = waiting.pop()
        files, folders = [], []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.is_symlink():
                        plan.ignored += 1
                    elif entry.is_dir():
                        folders.append(entry.name)
                    elif entry.is_file():
                        files.append(entry.name)
                    else:
                        plan.ignored += 1  # a pipe or a device
        except OSError as error:
            yield folder, [], error.strerror or str(error)
            continue
        yield folder, sorted(files), None
        if order.recursive:
            inner = [folder / name for name in sorted(folders, reverse=True)]
            waiting += [path for path in inner if output is None or identity(path) != output]


def _add(plan: Plan, order: Order, pair: Pair, name: Path) -> None:
    own = name.suffix[1:].lower()
    has_picture = bool(order.extension) or own != NEEDS_PICTURE or _has_picture(pair.source, order.track)
    extension = result_extension(order.extension, own, has_picture=has_picture)
    target = pair.target.with_name(result_name(name, extension))
    pair = replace(pair, target=target, extension=extension)
    try:
        size_bytes = pair.source.stat().st_size
    except OSError as error:
        plan.refused.append((pair, error.strerror or str(error)))
    else:
        plan.pairs.append(replace(pair, size_bytes=size_bytes))


def _has_picture(source: Path, track: int) -> bool:
    """Return whether there is a picture; a file that cannot be read is reported when it is processed."""
    try:
        return anyio.run(probe, source, track).has_picture
    except (DenoiseError, OSError):
        return True


def _separate(plan: Plan) -> None:
    """Give results with equal names the whole name of their source, and refuse those that still collide.

    A file whose result has its own name keeps it: talk.wav and talk.mp3 become talk.wav and talk.mp3.wav.
    """
    shared = _shared(plan.pairs)
    pairs = [_with_whole_name(pair) if pair.target in shared else pair for pair in dict.fromkeys(plan.pairs)]
    shared = _shared(pairs)
    plan.pairs = [pair for pair in pairs if pair.target not in shared]
    sentence = "Several inputs would become {}; give them folders of their own."
    plan.refused += [(pair, sentence.format(shown(pair.target))) for pair in pairs if pair.target in shared]


def _with_whole_name(pair: Pair) -> Pair:
    if pair.source.name == pair.target.name:
        return pair
    return replace(pair, target=pair.target.with_name(f"{pair.source.name}.{pair.extension}"))


def _shared(pairs: list[Pair]) -> set[Path]:
    counts = Counter(pair.target for pair in dict.fromkeys(pairs))
    return {target for target, count in counts.items() if count > 1}

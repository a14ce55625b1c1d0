"""The progress of `enhance` on standard error: bars on a terminal, plain lines elsewhere."""

import sys
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from munsit_denoise.batch.names import shown
from munsit_denoise.batch.one import THERE
from munsit_denoise.batch.order import FileResult, Pair
from munsit_denoise.batch.plan import Plan
from munsit_denoise.batch.tally import Tally
from munsit_denoise.batch.words import told


class Display(Protocol):
    """Receives the progress of a run."""

    def open(self) -> None:
        """Start."""

    def begin(self, pair: Pair) -> None:
        """A file is started."""

    def update(self, pair: Pair, percent: int) -> None:
        """A percentage of a file is done."""

    def end(self, pair: Pair, result: FileResult, tally: Tally) -> None:
        """A file has ended."""

    def close(self) -> None:
        """Stop; later output appears below."""


def make_display(plan: Plan) -> Display:
    """Return bars on a terminal, plain lines elsewhere."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    drawn = sys.stderr is not None and sys.stderr.isatty() and not console.is_dumb_terminal
    return Bars(plan, console) if drawn else Lines(plan)


class Lines:
    """One line for each file."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def open(self) -> None:
        """Do nothing."""

    def begin(self, pair: Pair) -> None:
        """Do nothing."""

    def update(self, pair: Pair, percent: int) -> None:
        """Do nothing."""

    def end(self, pair: Pair, result: FileResult, tally: Tally) -> None:
        """Print the result of the file."""
        line = line_of(result)
        if self._plan.many:
            say(f"[{tally.ended}/{tally.files}] {line}")
        elif result.state in ("done", "planned"):
            say(line)

    def close(self) -> None:
        """Do nothing."""


class Bars:
    """One bar for all files, with count, time left and speed, and one for each running file."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._total_bytes = sum(_weight(pair) for pair in plan.pairs)
        self._done_bytes = 0.0
        self._running: dict[Pair, tuple[TaskID, float]] = {}  # its bar, and the finished share
        name = TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
        )
        about = TextColumn("{task.fields[about]}", markup=False, table_column=Column(no_wrap=True))
        percent = TextColumn("{task.percentage:>3.0f}%", table_column=Column(no_wrap=True))
        self._progress = Progress(
            name, BarColumn(30), percent, TimeRemainingColumn(), about,
            console=console, expand=True, redirect_stdout=False, redirect_stderr=False, speed_estimate_period=120,
        )  # fmt: skip
        self._all: TaskID | None = None

    def open(self) -> None:
        """Draw the bar for all files."""
        self._progress.start()
        if self._plan.many:
            text = f"0 of {len(self._plan.pairs)} files"
            self._all = self._progress.add_task(text, total=max(self._total_bytes, 1), about="")

    def begin(self, pair: Pair) -> None:
        """Add the file's bar."""
        self._running[pair] = self._progress.add_task(shown(pair.source.name), total=100, about=""), 0.0

    def update(self, pair: Pair, percent: int) -> None:
        """Move the file's bar and the bar for all files."""
        task, _ = self._running[pair]
        self._running[pair] = task, percent / 100
        self._progress.update(task, completed=percent)
        self._move()

    def end(self, pair: Pair, result: FileResult, tally: Tally) -> None:
        """Remove the file's bar; print a failure above the bars."""
        found = self._running.pop(pair, None)
        if found and (self._plan.many or result.state != "done"):
            self._progress.remove_task(found[0])
        self._done_bytes += _weight(pair)
        self._move()
        if self._all is not None:
            text = f"{tally.ended} of {tally.files} files"
            self._progress.update(self._all, description=text, about=tally.speed)
        if self._plan.many and result.state in ("failed", "planned"):
            self._progress.console.print(line_of(result), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the bars as they are."""
        for task, _ in self._running.values():
            self._progress.remove_task(task)
        self._progress.stop()

    def _move(self) -> None:
        if self._all is not None:
            part = sum(_weight(pair) * share for pair, (_, share) in self._running.items())
            self._progress.update(self._all, completed=self._done_bytes + part)


def _weight(pair: Pair) -> int:
    return max(pair.size_bytes, 1)


def line_of(result: FileResult) -> str:
    """Return a line on a file."""
    source, target = shown(result.source), shown(result.target)
    if result.state == "failed":
        return f"failed: {source}: {result.error}"
    if result.state == "planned":
        return f"would be done: {source} -> {target} ({result.duration_s or 0:.1f} s)"
    if result.state == "done":
        seconds = result.duration_s or 0
        notes = "".join(f" {told(note)}" for note in result.notes)
        return f"done: {source} -> {target} ({seconds:.1f} s at {seconds / max(result.elapsed_s, 1e-3):.1f}x){notes}"
    return f"skipped: {source} ({'exists already' if THERE in result.notes else 'no sound'})"


def say(line: str) -> None:
    """Print a line on standard error, unless it is empty or nobody reads it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return

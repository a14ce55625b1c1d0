"""Runs the command from its order to its exit code."""

import os
import sys
from dataclasses import replace

import anyio

from munsit_denoise.batch.display import make_display, say
from munsit_denoise.batch.names import shown
from munsit_denoise.batch.one import THERE
from munsit_denoise.batch.order import Order, UsageError
from munsit_denoise.batch.plan import Plan, make_plan
from munsit_denoise.batch.run import Run, run_all
from munsit_denoise.batch.tally import Tally
from munsit_denoise.batch.words import told
from munsit_denoise.media.ffmpeg import program
from munsit_denoise.settings import Settings
from munsit_denoise.treatment import Quality

FAILED, USAGE = 1, 2
SIGNALLED = 128  # plus the signal's number


def run_command(settings: Settings, order: Order) -> int:
    """Process an order and return the exit code.

    Raises MissingProgram, OSError and DenoiseError if nothing can be processed at all.
    """
    for name in ("ffmpeg", "ffprobe"):
        program(name)
    order = replace(order, quality=order.quality or Quality(settings.quality))
    try:
        plan = make_plan(order)
    except UsageError as error:
        say(f"munsit-denoise: {told(str(error))}")
        return USAGE
    return _carry_out(settings, order, plan)


def _carry_out(settings: Settings, order: Order, plan: Plan) -> int:
    run = Run(plan, order, make_display(plan), Tally(len(plan.pairs) + len(plan.refused), plan.ignored))
    run.display.open()
    try:
        anyio.run(run_all, run, settings)
    finally:
        run.display.close()
    if plan.many or run.stopped_by:
        say(run.tally.summary(stopped=bool(run.stopped_by)))
    elif run.tally.failed:
        say(f"munsit-denoise: {_named(run)}")
    elif run.tally.counts["there"]:
        say(f"{shown(plan.pairs[0].target)}: {told(THERE)}")
    if run.fatal is not None:
        raise run.fatal
    if run.stopped_by:
        _leave(SIGNALLED + run.stopped_by)
    return FAILED if run.tally.failed else 0


def _named(run: Run) -> str:
    source = run.plan.pairs[0].source
    return run.last_error if str(source) in run.last_error else f"{shown(source)}: {run.last_error}"


def _leave(code: int) -> None:
    """End the process now, even if a window of the model is still running in a thread."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)

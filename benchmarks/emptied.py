"""`python -m benchmarks.emptied instant

endless serve

worker`: the product's command with a model that takes no time.

No file is opened and PyTorch is not loaded. `instant` ends each run at once; `endless` never ends one.
"""

import sys

import anyio

from munsit_denoise import __main__, work
from munsit_denoise.db.records import Lease, RunResult
from munsit_denoise.jobs.places import Place
from munsit_denoise.jobs.runner import MakeDenoiser, Runner
from munsit_denoise.settings import Settings


async def _instant(_: Runner, lease: Lease, __: Place) -> RunResult:
    return RunResult(f"{lease.record.id}/denoised-{lease.number}.wav")


async def _endless(_: Runner, __: Lease, ___: Place) -> RunResult:
    await anyio.sleep_forever()
    raise AssertionError


async def _no_engine(_: Settings) -> MakeDenoiser:
    def make(*_: object) -> object:
        raise AssertionError

    return make  # type: ignore[return-value]


if __name__ == "__main__":
    kind = sys.argv.pop(1)
    Runner._denoise = {"instant": _instant, "endless": _endless}[kind]  # type: ignore[method-assign,assignment]
    work.load_engine = _no_engine  # type: ignore[assignment]
    __main__.main()

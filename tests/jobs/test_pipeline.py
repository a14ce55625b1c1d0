"""What a job tells of its progress: how far it is, and not too often; how it is left."""

from math import inf
from pathlib import Path
from threading import Event

import anyio
import pytest
from anyio import to_thread

from munsit_denoise.jobs import pipeline
from munsit_denoise.jobs.pipeline import EXTRACTED_PERCENT, EXTRACTING, REDUCED_PERCENT, REDUCING, SAVING, PipelineTask
from munsit_denoise.media.probe import probe
from tests.audio import write_silence
from tests.jobs.conftest import Passthrough

pytestmark = pytest.mark.anyio
SECONDS = 20


async def reports(folder: Path) -> list[tuple[int, str]]:
    """Run a job of several blocks and return what it told."""
    source = write_silence(folder / "a.wav", SECONDS)
    told: list[tuple[int, str]] = []
    work = PipelineTask(source, folder / "b.wav", await probe(source), "wav")
    await pipeline.enhance_file(work, Passthrough(), lambda percent, message: told.append((percent, message)))
    return told


async def test_percentages_tell_how_far_a_job_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "REPORT_INTERVAL_S", 0)
    told = await reports(tmp_path)
    reducing = [percent for percent, message in told if message == REDUCING]
    assert reducing == sorted(set(reducing))
    assert len(reducing) >= SECONDS / 4  # a block is a second and at most another read of the pipe
    assert EXTRACTED_PERCENT < reducing[0] <= reducing[-1] == REDUCED_PERCENT
    assert told[-1] == (99, SAVING)


async def test_within_a_stage_it_tells_no_more_than_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "REPORT_INTERVAL_S", inf)
    assert [message for _, message in await reports(tmp_path)] in ([REDUCING, SAVING], [EXTRACTING, REDUCING, SAVING])


class Endless(Passthrough):
    """A denoiser whose window ends only when it is stopped."""

    def __init__(self) -> None:
        self.began, self.stopped, self.ended = Event(), Event(), Event()

    def feed(self, block: pipeline.Block) -> pipeline.Block:
        self.began.set()
        self.stopped.wait()
        self.ended.set()
        return block

    def stop(self) -> None:
        self.stopped.set()
        self.ended.wait()


async def test_a_job_that_is_cancelled_leaves_its_window(tmp_path: Path) -> None:
    source, denoiser = write_silence(tmp_path / "a.wav", 1), Endless()
    work = PipelineTask(source, tmp_path / "b.wav", await probe(source), "wav")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.enhance_file, work, denoiser, lambda percent, message: None)
        await to_thread.run_sync(denoiser.began.wait)
        tasks.cancel_scope.cancel()
    assert denoiser.ended.is_set()

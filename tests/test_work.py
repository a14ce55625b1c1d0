"""The engine as jobs use it: what it says when a model cannot be loaded, at the start and later."""

import errno
import hashlib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from munsit_denoise.engine.catalogue import BEST_PACKAGE, OWN, OWN_DRY, BrokenWeights, ModelInfo
from munsit_denoise.errors import CannotGoOn, ProcessingFailed
from munsit_denoise.jobs.report import told_models
from munsit_denoise.jobs.runner import MakeDenoiser
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.treatment import Keep, Quality, Treatment
from munsit_denoise.work import DRY_NOT_THERE, NOT_THERE, load_engine
from tests.jobs.conftest import Passthrough
from tests.live import make_settings

TRACK = AudioTrack(16_000, 1, "mono", "pcm_s16le", 16, is_float=False, duration_s=1.0, container="wav")
BEST = Treatment(quality=Quality.BEST)


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


async def loaded(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> MakeDenoiser:
    """Return what makes denoisers where only the model of the usual treatment can be loaded."""

    def make(rate_hz: int, channels: int, treatment: Treatment) -> Passthrough:
        if treatment != Treatment():
            raise error
        return Passthrough()

    monkeypatch.setattr("munsit_denoise.engine.open.open_engine", lambda *_: make)
    return await load_engine(make_settings(folder))


@pytest.mark.anyio
async def test_weights_that_cannot_be_used_say_by_themselves_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BrokenWeights(errno.EIO, "the weights are damaged; run this", "package")
    monkeypatch.setattr("munsit_denoise.engine.open.open_engine", failing(broken))
    with pytest.raises(CannotGoOn) as caught:
        await load_engine(make_settings(tmp_path))
    assert str(caught.value) == "The model cannot be loaded: package: the weights are damaged; run this."


@pytest.mark.anyio
@pytest.mark.parametrize("number", [errno.ENOENT, errno.EIO])
async def test_a_job_whose_model_is_missing_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """An error of input and output is one of the weights, not of the storage: the worker goes on with other jobs."""
    begin = await loaded(tmp_path, monkeypatch, BrokenWeights(number, "the weights cannot be used", "package"))
    begin(TRACK, Treatment())
    with pytest.raises(ProcessingFailed, match=NOT_THERE):
        begin(TRACK, BEST)
    with pytest.raises(ProcessingFailed, match=DRY_NOT_THERE):
        begin(TRACK, Treatment(keep=Keep.DRY_VOICE))


@pytest.mark.anyio
async def test_a_dry_voice_in_the_best_quality_says_which_of_its_models_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = await loaded(tmp_path, monkeypatch, BrokenWeights(errno.ENOENT, "no package", BEST_PACKAGE))
    with pytest.raises(ProcessingFailed, match=NOT_THERE):
        begin(TRACK, Treatment(quality=Quality.BEST, keep=Keep.DRY_VOICE))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error",
    [BrokenWeights(errno.EMFILE, "the weights cannot be used", "package"), OSError(errno.ENOMEM, "no memory")],
)
async def test_a_machine_that_lacks_something_says_nothing_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    begin = await loaded(tmp_path, monkeypatch, error)
    with pytest.raises(OSError, match=error.strerror) as caught:
        begin(TRACK, BEST)
    assert caught.value is error


def test_a_report_tells_another_model_by_its_own_name() -> None:
    class Brought(Passthrough):
        models = (ModelInfo("brought"), ModelInfo(OWN))

    told = told_models(Brought())
    assert told["model"] == {"name": "brought", "version": None, "sha256": None}
    assert told["second_model"]["name"] == OWN
    assert told["second_model"]["version"]


def test_a_report_tells_all_models_of_a_chain_and_the_weights_of_our_own() -> None:
    class Chained(Passthrough):
        models = (ModelInfo(OWN), ModelInfo("second", "2"), ModelInfo(OWN_DRY))

    told = told_models(Chained())
    assert [told[name]["name"] for name in ("model", "second_model", "third_model")] == [OWN, "second", OWN_DRY]
    weights = resources.files("munsit_denoise.engine") / "weights"
    for name, file in (("model", "denoiser"), ("third_model", "dry_voice")):
        digest = hashlib.sha256((weights / f"{file}.safetensors").read_bytes()).hexdigest()
        assert told[name]["sha256"] == digest

"""What comes with the package does what every enhancer has to; so does one that a package of somebody's brings."""

import importlib
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Barrier, Event
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from munsit_denoise.engine import stream
from munsit_denoise.engine.catalogue import DEEPFILTERNET3, OWN, OWN_DRY, ModelInfo, NoSuchEnhancer, has_best
from munsit_denoise.engine.channels import ChannelEnhancer, Channels, _ChannelWindows
from munsit_denoise.engine.conformance import EnhancerContract, contract_tests, main
from munsit_denoise.engine.enhancer import Enhancer
from munsit_denoise.engine.keeping import KeepingDenoiser
from munsit_denoise.engine.mixture import Mixture
from munsit_denoise.engine.open import _Models, load_enhancer, open_engine
from munsit_denoise.engine.stop import Stopped
from munsit_denoise.engine.stream import Block, StreamFormat
from munsit_denoise.treatment import Quality, Treatment
from tests.audio import hiss, voice

DOCS = Path(__file__).parent.parent.parent / "docs"
needs_best = pytest.mark.skipif(not has_best(), reason="munsit-denoise[best] is not installed")


@cache
def loaded(name: str) -> Enhancer:
    return load_enhancer(name, precision="float32")


@cache
def dry(usual: str) -> Enhancer:
    return _Models("cpu", 0, "float32", batches=False).dry(loaded(usual))


class TestOwn(EnhancerContract):
    def enhancer(self) -> Enhancer:
        return loaded(OWN)


def test_the_model_for_a_dry_voice_takes_the_place_of_our_own_and_stands_behind_others() -> None:
    models = _Models("cpu", 0, "float32", batches=False)
    own, alone = models.named(OWN), models.named(OWN_DRY)
    assert models.dry(own) is models.dry(alone) is alone
    assert [one.name for one in models.dry(loaded_mixture()).models] == [OWN, OWN, OWN_DRY]


def loaded_mixture() -> Enhancer:
    return Mixture([(loaded(OWN), 0.5), (loaded(OWN), 0.5)])


class TestDry(EnhancerContract):
    def enhancer(self) -> Enhancer:
        return dry(OWN)


@needs_best
class TestDryAfterDeepFilterNet3(EnhancerContract):
    def enhancer(self) -> Enhancer:
        return dry(DEEPFILTERNET3)


@needs_best
class TestDeepFilterNet3(EnhancerContract):
    def enhancer(self) -> Enhancer:
        return loaded(DEEPFILTERNET3)


class Halved:
    """A network that hears at 16 kHz, halves what it hears and is a tenth of a second behind."""

    model = ModelInfo("halved", "1")
    sample_rate_hz = 16_000
    behind = 1_600

    def listen(self, channels: int) -> "Halved.Listener":
        return self.Listener(channels, self.behind)

    class Listener:
        def __init__(self, channels: int, behind: int) -> None:
            self._kept, self._behind = np.zeros((channels, 0), np.float32), behind

        def feed(self, samples: Channels) -> Channels:
            joined = np.concatenate([self._kept, samples], axis=1)
            ready = max(joined.shape[1] - self._behind, 0)
            self._kept = joined[:, ready:]
            return joined[:, :ready] / 2


def documented() -> EnhancerContract:
    """Return the contract of the network that docs/enhancers.md shows, as it stands there."""
    package, tests = re.findall(r"```python\n(.*?)```", (DOCS / "enhancers.md").read_text(), re.DOTALL)
    gate = ModuleType("gate")
    exec(package, gate.__dict__)
    there: dict[str, Any] = {}
    sys.modules["gate"] = gate
    try:
        exec(tests, there)
    finally:
        del sys.modules["gate"]
    contract: EnhancerContract = there["TestGate"]()
    return contract


@pytest.mark.parametrize("name", [name for name, _ in contract_tests(documented())])
def test_the_documented_network_does_what_every_enhancer_has_to(name: str) -> None:
    dict(contract_tests(documented()))[name]()


def test_the_documented_network_takes_noise_out() -> None:
    clean = voice(3, 16_000)[:, None]
    x = clean + hiss(len(clean), rms=0.05)[:, None]
    assert difference_db(run(documented().enhancer(), x, 16_000), clean) < difference_db(x, clean) - 2


def run(enhancer: Enhancer, x: Block, rate_hz: int, strength: float = 1.0) -> Block:
    denoiser = enhancer.begin(StreamFormat(rate_hz, x.shape[1]), strength)
    return np.concatenate([denoiser.feed(x), denoiser.flush()])


def noisy(seconds: float, rate_hz: int, channels: int = 1) -> Block:
    clean = voice(seconds, rate_hz)
    return np.stack([clean + hiss(len(clean), seed=c) for c in range(channels)], axis=1)


def difference_db(found: Block, wanted: Block) -> float:
    return float(10 * np.log10(np.sum((found - wanted) ** 2) / np.sum(wanted**2) + 1e-30))


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (48_000, 3), (96_000, 2)])
def test_a_network_of_one_rate_is_right_at_every_rate(rate_hz: int, channels: int) -> None:
    """What lies above its band follows the gain of the highest part of it."""
    x = noisy(1, rate_hz, channels)
    assert difference_db(run(ChannelEnhancer(Halved()), x, rate_hz), x / 2) < -35


@pytest.mark.parametrize("levels", [(18, 28), (28, 18), (31, 26)])
def test_a_recording_far_above_full_scale_is_right_at_its_seams(
    monkeypatch: pytest.MonkeyPatch, levels: tuple[int, int]
) -> None:
    """Each window may be divided by another power of two, which what the network remembers was not."""
    monkeypatch.setattr(stream, "CORE_S", 4)
    rate_hz = Halved.sample_rate_hz
    halves = slice(0, 6 * rate_hz), slice(6 * rate_hz, None)
    x = noisy(12, rate_hz)
    for half, level in zip(halves, levels, strict=True):
        x[half] *= np.float32(2) ** level
    y = run(ChannelEnhancer(Halved()), x, rate_hz)
    for half in halves:
        inner = slice(rate_hz // 4, -rate_hz // 4)
        assert difference_db(y[half][inner], x[half][inner] / 2) < -35


@needs_best
def test_deepfilternet3_takes_samples_of_any_size() -> None:
    x = noisy(0.3, 16_000)
    loud, louder = (run(loaded(DEEPFILTERNET3), np.float32(scale) * x, 16_000) for scale in (2.0**30, 2.0**120))
    assert np.array_equal(np.ldexp(loud, 90), louder)
    assert float(np.sum(loud**2)) > 0.01 * float(np.sum((2.0**30 * x) ** 2))


def test_a_stop_is_heard_between_all_steps_of_a_window() -> None:
    """Of three channels of 5 s: four pieces, three pairs, three channels, and the way back to the recording's rate."""
    x = torch.from_numpy(noisy(5, 16_000, 3).T)
    for looks in range(11):
        answers = iter([False] * looks + [True])
        windows = _ChannelWindows(Halved(), StreamFormat(16_000, 3))
        with pytest.raises(Stopped):
            windows.enhance(x, 16_000, 1.0, lambda answers=answers: next(answers))  # type: ignore[misc]


def test_a_network_that_is_too_far_behind_is_told_so() -> None:
    class Late(Halved):
        behind = 16_000

    with pytest.raises(RuntimeError, match=r"halved is more than 0\.5 s behind"):
        run(ChannelEnhancer(Late()), noisy(0.5, 16_000), 16_000)


def test_a_mixture_is_the_mean_of_its_parts() -> None:
    class Kept(Halved):
        behind = 0

        class Listener(Halved.Listener):
            def feed(self, samples: Channels) -> Channels:
                return samples

    halved, kept = ChannelEnhancer(Halved()), ChannelEnhancer(Kept())
    x = noisy(1, 16_000)
    mixture = Mixture([(halved, 0.6), (kept, 0.4)])
    assert difference_db(run(mixture, x, 16_000), 0.6 * run(halved, x, 16_000) + 0.4 * run(kept, x, 16_000)) < -120
    assert np.array_equal(run(mixture, x, 16_000, strength=0), x)
    assert [model.name for model in mixture.models] == ["halved", "halved"]


@needs_best
def test_best_takes_out_more_noise_and_leaves_the_voice() -> None:
    rate_hz = 16_000
    clean = voice(3, rate_hz)[:, None]
    x = clean + hiss(len(clean), rms=0.05)[:, None]
    make = open_engine("cpu", 0, "float32")
    denoiser = make(rate_hz, 1, Treatment(quality=Quality.BEST))
    found = np.concatenate([denoiser.feed(x), denoiser.flush()])
    parts = 0.6 * run(loaded(OWN), x, rate_hz) + 0.4 * run(loaded(DEEPFILTERNET3), x, rate_hz)
    assert difference_db(found, parts) < -100
    assert difference_db(found, clean) < difference_db(x, clean) - 3
    assert [model.name for model in denoiser.models] == [OWN, "DeepFilterNet3"]


def test_a_model_is_loaded_once_however_many_ask_for_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    together = Barrier(2)

    def load(models: _Models, name: str) -> Enhancer:
        begun.append(name)
        Event().wait(0.05)
        return ChannelEnhancer(Halved())

    monkeypatch.setattr(_Models, "_load", load)
    models = _Models("cpu", 0, "float32", batches=False)

    def best() -> Enhancer:
        together.wait()
        return models.best()

    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(best) for _ in range(2))
        assert first.result() is second.result()
    assert begun == [OWN, DEEPFILTERNET3]


@needs_best
@pytest.mark.parametrize(("seconds", "level"), [(0.1, 1.0), (1e-4, 0.0)])
def test_the_shortest_recordings_and_silence_go_through_everything(seconds: float, level: float) -> None:
    x = np.float32(level) * noisy(1, 16_000)[: max(int(seconds * 16_000), 1)]
    best = Mixture([(loaded(OWN), 0.6), (loaded(DEEPFILTERNET3), 0.4)])
    for strength in (0.0, 0.6):
        one = StreamFormat(16_000, 1)
        denoiser = KeepingDenoiser(best.begin(one, strength), one, strength)
        y = np.concatenate([denoiser.feed(x), denoiser.flush()])
        assert y.shape == x.shape
        assert y.any() == x.any()
        assert np.isfinite(y).all()
        assert np.array_equal(y, x) == (strength == 0 or not x.any())


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Install a package that brings an enhancer."""
    info = tmp_path / "halving-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halving\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[munsit_denoise.enhancers]\nhalved = {__name__}:load_halved\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return "halved"


def load_halved(device: str) -> Enhancer:
    assert device == "cpu"
    return ChannelEnhancer(Halved())


def test_a_package_brings_a_model_by_an_entry_point(brought: str) -> None:
    make = open_engine("cpu", 0, "float32", 1, brought)
    denoiser, x = make(16_000, 1, Treatment()), noisy(0.3, 16_000)
    assert difference_db(np.concatenate([denoiser.feed(x), denoiser.flush()]), x / 2) < -60
    assert [model.name for model in denoiser.models] == ["halved"]


def test_a_name_that_nobody_brings_is_told_with_those_that_there_are(brought: str) -> None:
    with pytest.raises(NoSuchEnhancer, match="deepfilternet3, halved, munsit-denoise"):
        open_engine("cpu", 0, "float32", 1, "other")


def test_what_breaks_the_contract_is_found(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(ChannelEnhancer):
        """Loses a sample, and adds a trace of itself to everything."""

        def begin(self, stream: StreamFormat, strength: float) -> "Short.Denoiser":  # type: ignore[override]
            return self.Denoiser()

        class Denoiser:
            def feed(self, block: Block) -> Block:
                return block[1:] + np.float32(1e-3)

            def flush(self) -> Block:
                return np.full((0, 1), np.nan, np.float32)

            def stop(self) -> None:
                pass

    monkeypatch.setattr("munsit_denoise.engine.open.load_enhancer", lambda name: Short(Halved()))
    assert main("short") == 1
    told = capsys.readouterr().out
    for test in ("length_is_kept", "silence_stays_silence", "strength_mixes", "it_can_be_stopped"):
        assert f"failed: {test}: " in told


def test_the_contract_has_all_its_tests() -> None:
    assert len(list(contract_tests(TestOwn()))) == 9

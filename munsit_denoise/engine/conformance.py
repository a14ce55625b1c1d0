"""The contract of an enhancer as tests, also for models of other packages: docs/enhancers.md.

Inherit `EnhancerContract` and override `enhancer`; pytest finds the tests. Without pytest, run `python -m
munsit_denoise.engine.conformance NAME`.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np

from munsit_denoise.engine.enhancer import Enhancer
from munsit_denoise.engine.stop import Stopped
from munsit_denoise.engine.stream import LEAST_CORE_S, Block, StreamFormat

SEAMS_DB = -60.0  # relative to the signal: the largest difference that the division into blocks may make
ALIGNED_SHARE = 0.5  # of the energy of speech-like sound must remain, at its place
LENGTHS = ((8_000, 1, 1), (44_100, 14_707, 2), (48_000, 16_007, 1))  # rate in hertz, frames, channels
LONG_S, LONG_HZ = 9, 8_000  # a recording longer than one short window


class ShortWindows(StreamFormat):
    """A format with the shortest windows, as for the largest number of channels."""

    @property
    def core_s(self) -> int:
        """Duration that a window contributes to the result."""
        return LEAST_CORE_S


class EnhancerContract:
    """The tests; each raises AssertionError with a sentence. Inherit it and override `enhancer`."""

    def enhancer(self) -> Enhancer:
        """Return the enhancer; load it once and keep it."""
        raise NotImplementedError("enhancer() has to return the enhancer that is tested")

    def test_length_is_kept(self) -> None:
        """Check that length, rate and channels do not change, and that empty input gives empty output."""
        for rate_hz, length, channels in LENGTHS:
            for frames in (0, length):
                sound = _speech(frames, rate_hz, channels)
                found = self._run(sound, rate_hz)
                told = f"{frames} frames at {rate_hz} Hz in {channels} channels became {found.shape}, {found.dtype}"
                assert found.shape == sound.shape, told
                assert found.dtype == np.float32, told

    def test_output_is_aligned_to_the_sample(self) -> None:
        """Check that the output is not shifted against the input, at any rate."""
        for rate_hz, _, _ in LENGTHS:
            sound = _speech(2 * rate_hz, rate_hz)
            found = self._run(sound, rate_hz)
            lag = _lag(found[:, 0], sound[:, 0])
            assert lag == 0, f"at {rate_hz} Hz the output is {lag} samples late"
            share = float(np.sum(found**2) / np.sum(sound**2))
            assert share > ALIGNED_SHARE, f"at {rate_hz} Hz {share:.0%} is left of clean speech-like sound"

    def test_feeding_makes_no_difference(self) -> None:
        """Check that the division into blocks makes no difference, and that windows leave no seams."""
        sound = _noisy(LONG_S * LONG_HZ, LONG_HZ)
        whole = self._run(sound, LONG_HZ)
        denoiser = self.enhancer().begin(ShortWindows(LONG_HZ, 1), 1.0)
        parts = [denoiser.feed(sound[start : start + 997]) for start in range(0, len(sound), 997)]
        _assert_alike(np.concatenate([*parts, denoiser.flush()]), whole, "in short blocks and short windows")

    def test_two_runs_agree_to_the_bit(self) -> None:
        """Check that a recording gives the same samples again, in short blocks and next to another recording."""
        rate_hz = 16_000
        sound, other = _noisy(rate_hz, rate_hz), _speech(rate_hz, rate_hz)
        first = self._run(sound, rate_hz)
        denoiser, beside = (self.enhancer().begin(StreamFormat(rate_hz, 1), 1.0) for _ in range(2))
        parts = []
        for start in range(0, len(sound), 1000):
            parts.append(denoiser.feed(sound[start : start + 1000]))
            beside.feed(other[start : start + 1000])
        again = np.concatenate([*parts, denoiser.flush()])
        assert np.array_equal(first, again), "two runs differ"

    def test_silence_stays_silence(self) -> None:
        """Check that digital silence stays digital silence."""
        found = self._run(np.zeros((48_000, 2), np.float32), 48_000)
        assert not found.any(), f"silence became sound of up to {np.abs(found).max():.2g}"

    def test_everything_is_finite(self) -> None:
        """Check that samples far above full scale, a click and a constant give finite samples."""
        rate_hz = 16_000
        loud = np.float32(1e6) * _noisy(rate_hz, rate_hz)
        click = np.zeros_like(loud)
        click[rate_hz // 2] = 1
        for name, sound in (("loud noise", loud), ("a click", click), ("a constant", np.ones_like(loud))):
            assert np.isfinite(self._run(sound, rate_hz)).all(), f"{name} gives what is not finite"

    def test_strength_mixes(self) -> None:
        """Check that a strength of 0 changes no bit, and that one half gives the mean of input and result."""
        rate_hz = 48_000
        sound = _noisy(rate_hz, rate_hz)
        none, half, full = (self._run(sound, rate_hz, strength) for strength in (0.0, 0.5, 1.0))
        assert np.array_equal(none, sound), "a strength of 0 changes the sound"
        _assert_alike(half, np.float32(0.5) * (sound + full), "at a strength of 0.5")

    def test_an_image_stays(self) -> None:
        """Check that one sound in both channels, louder in one, keeps its place."""
        rate_hz = 48_000
        sound = _noisy(3 * rate_hz, rate_hz)
        found = self._run(np.concatenate([sound, sound * np.float32(0.5)], axis=1), rate_hz)
        _assert_alike(found[:, 1:] * 2, found[:, :1], "in the softer channel")

    def test_it_can_be_stopped(self) -> None:
        """Check that after `stop` every call raises Stopped."""
        denoiser = self.enhancer().begin(StreamFormat(8_000, 1), 1.0)
        denoiser.feed(_speech(8_000, 8_000))
        denoiser.stop()
        try:
            denoiser.flush()
        except Stopped:
            return
        raise AssertionError("flush after stop must raise Stopped")

    def _run(self, sound: Block, rate_hz: int, strength: float = 1.0) -> Block:
        denoiser = self.enhancer().begin(StreamFormat(rate_hz, sound.shape[1]), strength)
        return np.concatenate([denoiser.feed(sound.copy()), denoiser.flush()])


def contract_tests(contract: EnhancerContract) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the name of each test and a function that runs it."""
    yield from ((name, getattr(contract, name)) for name in dir(contract) if name.startswith("test_"))


def _speech(frames: int, rate_hz: int, channels: int = 1) -> Block:
    """Return a voice with gliding harmonics in syllables, the same in all channels."""
    time = np.arange(frames) / rate_hz
    phase = 2 * np.pi * np.cumsum(140 + 25 * np.sin(2 * np.pi * 0.7 * time)) / rate_hz
    voice = sum(np.sin(number * phase) / number for number in range(1, 20) if number * 180 < 0.45 * rate_hz)
    envelope = np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1) ** 0.5
    return np.repeat((0.12 * voice * envelope).astype(np.float32)[:, None], channels, axis=1)


def _noisy(frames: int, rate_hz: int) -> Block:
    """Return the same voice with steady noise."""
    hiss = np.random.default_rng(0).standard_normal((frames, 1), dtype=np.float32)
    return _speech(frames, rate_hz) + np.float32(0.02) * hiss


def _lag(late: Block, early: Block) -> int:
    """Return the delay of the first signal behind the second, in samples."""
    size = 2 * len(early)
    product = np.fft.irfft(np.fft.rfft(late, size) * np.conj(np.fft.rfft(early, size)), size)
    best = int(np.argmax(product))
    return best if best < len(early) else best - size


def _assert_alike(found: Block, wanted: Block, what: str) -> None:
    difference = float(np.sum((found - wanted) ** 2, dtype=np.float64))
    level_db = 10 * np.log10((difference + 1e-30) / (float(np.sum(wanted**2, dtype=np.float64)) + 1e-20))
    assert level_db < SEAMS_DB, f"{what} the result differs by {level_db:.1f} dB; at most {SEAMS_DB:g} dB are allowed"


def main(model: str) -> int:
    """Run the tests on a model by its name, print each result, and return an exit code."""
    from munsit_denoise.engine.open import load_enhancer

    enhancer = load_enhancer(model)

    class Contract(EnhancerContract):
        def enhancer(self) -> Enhancer:
            return enhancer

    failed = 0
    for test, run in contract_tests(Contract()):
        try:
            run()
            print(f"passed: {test.removeprefix('test_')}")
        except Exception as error:  # one failing test must not hide the others
            failed += 1
            name = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            print(f"failed: {test.removeprefix('test_')}: {name}{error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

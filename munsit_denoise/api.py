"""The Python library: removes noise from arrays and files without a server. PyTorch is loaded at the first use."""

import os
from dataclasses import dataclass
from functools import cache, partial
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from munsit_denoise.media.probe import MAX_CHANNELS, MAX_SAMPLES_A_SECOND, RATES_HZ
from munsit_denoise.records import LEVELS_LUFS, STRENGTHS
from munsit_denoise.samples import Samples, as_full_scale
from munsit_denoise.treatment import TRANSCRIPTION, TRANSCRIPTION_STRENGTH, Keep, Quality, Treatment

if TYPE_CHECKING:
    from munsit_denoise.engine.open import MakeDenoiser
    from munsit_denoise.engine.pool import PooledDenoiser


QualityName = Literal["standard", "best"]  # best: two models together; needs the extra munsit-denoise[best]
Strength = float | Literal["transcription"]
KeepName = Literal[
    "voice",
    "voice+music",  # keeps whatever rises above the steady background
    "dry-voice",  # removes reverberation too
]


@dataclass(frozen=True)
class EngineOptions:
    """Where and how the model runs; calls with equal options share one engine."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0  # cores that the model uses; 0 means all
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where the processor has it
    enhancer: str = "munsit-denoise"  # the model of the standard quality, by the name of its entry point


DEFAULT_ENGINE = EngineOptions()


class Denoiser:
    """One recording, block by block: what `feed` and `flush` return is together as long as what was fed.

    Blocks come back late: the model looks two seconds ahead and works on half a minute at a time.

    >>> import numpy, munsit_denoise
    >>> denoiser = munsit_denoise.Denoiser(16_000, channels=2)
    >>> blocks = [numpy.zeros((8_000, 2), numpy.int16) for _ in range(3)]
    >>> clean = [denoiser.feed(block) for block in blocks] + [denoiser.flush()]
    >>> numpy.concatenate(clean).shape
    (24000, 2)
    """

    def __init__(
        self,
        sample_rate_hz: int,
        channels: int,
        strength: Strength = 1.0,
        *,
        quality: QualityName = "standard",
        keep: KeepName = "voice",
        engine: EngineOptions = DEFAULT_ENGINE,
    ) -> None:
        """Start a recording; a `strength` of 0 changes nothing. Raises TypeError, ValueError, RuntimeError, OSError."""
        rate_hz, self._channels = index(sample_rate_hz), index(channels)
        _check_format(rate_hz, self._channels)
        self._stream = _opened(engine)(rate_hz, self._channels, _treatment(strength, quality, keep))
        self._dimensions: int | None = None
        self._ended = False

    def feed(self, block: NDArray[Any]) -> Samples:
        """Take samples and return those that are ready, often none, as float32 with full scale 1.

        Blocks are [frames, channels], or [frames] for one channel; results have the same form. Integers are scaled by
        the range of their type: 32,767 in int16 is full scale, 128 in uint8 is silence. Raises TypeError for anything
        but an array of numbers, ValueError for another shape and for values that are not finite.
        """
        samples = as_full_scale(block)
        if self._ended:
            raise ValueError("The recording has ended with flush(). Make a Denoiser for the next one.")
        if self._dimensions not in (None, samples.ndim):
            raise ValueError(f"Blocks had {self._dimensions} dimensions so far, this one has {samples.ndim}.")
        frames = _as_frames(samples, self._channels)
        self._dimensions = samples.ndim
        return self._shaped(self._stream.feed(frames))

    def flush(self) -> Samples:
        """Return the remaining frames and end the recording."""
        self._ended = True
        return self._shaped(self._stream.flush())

    def _shaped(self, frames: Samples) -> Samples:
        return frames[:, 0] if self._dimensions == 1 else frames


def enhance(
    array: NDArray[Any],
    sample_rate_hz: int,
    strength: Strength = 1.0,
    *,
    quality: QualityName = "standard",
    keep: KeepName = "voice",
    engine: EngineOptions = DEFAULT_ENGINE,
) -> Samples:
    """Return a recording without its noise, in float32 and the shape that it has: [frames] or [frames, channels].

    Takes what `Denoiser.feed` takes, and raises the same.

    >>> import numpy, munsit_denoise
    >>> noise = numpy.random.default_rng(0).normal(0, 0.1, 16_000)
    >>> clean = munsit_denoise.enhance(noise, 16_000)
    >>> clean.shape, clean.dtype, bool(clean.std() < noise.std() / 2)
    ((16000,), dtype('float32'), True)
    """
    samples = as_full_scale(array)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    denoiser = Denoiser(sample_rate_hz, channels, strength, quality=quality, keep=keep, engine=engine)
    return np.concatenate([denoiser.feed(samples), denoiser.flush()])


def enhance_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    strength: Strength = 1.0,
    loudness: float | None = None,
    track: int = 0,
    overwrite: bool = False,
    quality: QualityName = "standard",
    keep: KeepName = "voice",
    engine: EngineOptions = DEFAULT_ENGINE,
) -> tuple[str, ...]:
    """Write a recording or video without its noise, and return sentences about what the result lacks, mostly none.

    The target's extension determines its format. `loudness` is the integrated loudness of the result in LUFS, `track`
    the number of the audio track. The target appears complete or not at all. In a program with an event loop, call it
    in a thread. Raises DenoiseError with a sentence, FileExistsError, OSError, ValueError.

    >>> import munsit_denoise
    >>> munsit_denoise.enhance_file("noisy.wav", "clean.flac", loudness=-16)
    ()
    """
    import anyio

    from munsit_denoise.files import Wish, enhance_one

    treatment = _treatment(strength, quality, keep)
    if loudness is not None:
        _check_within("loudness", loudness, LEVELS_LUFS)
    if index(track) < 0:
        raise ValueError(f"track is {track}; the first is 0")
    wish = Wish(Path(source), Path(target), loudness, index(track), overwrite)
    make_denoiser = partial(_denoiser_of, engine, treatment)
    return anyio.run(enhance_one, wish, make_denoiser)


def _denoiser_of(engine: EngineOptions, treatment: Treatment, rate_hz: int, channels: int) -> "PooledDenoiser":
    return _opened(engine)(rate_hz, channels, treatment)


def _treatment(strength: Strength, quality: str, keep: str) -> Treatment:
    if isinstance(strength, str):
        if strength != TRANSCRIPTION:
            raise ValueError(f"strength is {strength!r}; it can be a number or transcription")
        strength = TRANSCRIPTION_STRENGTH
    _check_within("strength", strength, STRENGTHS)
    if quality not in tuple(Quality):
        raise ValueError(f"quality is {quality!r}; it can be standard or best")
    if keep not in tuple(Keep):
        raise ValueError(f"keep is {keep!r}; it can be voice, voice+music or dry-voice")
    return Treatment(float(strength), Quality(quality), Keep(keep))


@cache  # the model is loaded once per process, at its first use
def _opened(engine: EngineOptions) -> "MakeDenoiser":
    from munsit_denoise.engine.open import open_engine

    return open_engine(engine.device, engine.threads, engine.precision, enhancer_name=engine.enhancer)


def _check_format(rate_hz: int, channels: int) -> None:
    if rate_hz not in RATES_HZ:
        raise ValueError(f"sample_rate_hz is {rate_hz}; it can be {RATES_HZ.start} to {RATES_HZ.stop - 1}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise ValueError(f"There are {channels} channels; there can be 1 to {MAX_CHANNELS}, as [frames, channels]")
    if rate_hz * channels > MAX_SAMPLES_A_SECOND:
        raise ValueError(f"{channels} channels at {rate_hz} Hz are more than can be processed")


def _check_within(name: str, value: float, bounds: tuple[float, float]) -> None:
    if not bounds[0] <= value <= bounds[1]:  # False for not-a-number, too
        raise ValueError(f"{name} is {value}; it can be {bounds[0]:g} to {bounds[1]:g}")


def _as_frames(samples: Samples, channels: int) -> Samples:
    if samples.ndim == 1 and channels == 1:
        return samples[:, None]
    if samples.ndim != 2 or samples.shape[1] != channels:
        wanted = f"[frames, {channels}]" + (" or [frames]" if channels == 1 else "")
        raise ValueError(f"A block of the shape {list(samples.shape)} cannot be taken; it has to be {wanted}.")
    return samples

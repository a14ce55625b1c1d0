"""Reduces the noise floor in recordings of speech, because the targets of training must be clean.

In two of five recordings, the quietest 80 ms are less than 40 dB below the speech: hiss, hum, a room. A network trained
on them keeps that much of any noise in pauses and between harmonics. The floor is the mean spectrum of the quietest
stretches. Twice the floor is subtracted, with a limit to the reduction (Berouti, Schwartz and Makhoul, "Enhancement of
speech corrupted by acoustic noise", 1979); at these SNRs the voice is not audibly changed.
"""

from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.stft import BIN_HZ, Stft

LOWEST_BIN, HIGHEST_BIN = round(60 / BIN_HZ), round(8_000 / BIN_HZ)  # drift below and air above stay
STRETCH = 5  # frames, 80 ms: the shortest quiet stretch
NEAR = 4.0  # times the power of the quietest stretch: up to here a stretch counts as floor (6 dB)
ACTIVE = 10**-2.5  # times the power of a loud frame: above it, a frame holds speech
HIGHEST_FLOOR = 1e-2  # times the power of speech: a clip whose quietest stretch is louder has no usable pause
SILENCE = 1e-8  # times the power of speech: digital silence beside a recording is not its floor
EXCESS = 2.0  # times the floor is subtracted
LEAST_POWER_GAIN = 0.04  # 14 dB down; with a lower limit, the rest of the floor would flutter


def without_floor(voice: Tensor) -> Tensor:
    """Return a recording of speech [samples] with its noise floor reduced by 14 dB; without pauses, unchanged."""
    stft = Stft()
    spectrum = stft.analyse(voice[None])[0]  # [frames, bins]
    power = spectrum.real.square() + spectrum.imag.square()
    frame = power[:, LOWEST_BIN:HIGHEST_BIN].sum(dim=1)
    speech = frame[frame > ACTIVE * frame.quantile(0.98)].mean()
    stretch = _mean_of_neighbours(frame, STRETCH)
    sounding = -functional.max_pool1d(-frame[None], STRETCH, stride=1, padding=STRETCH // 2)[0] > SILENCE * speech
    softest = stretch[sounding].min() if sounding.any() else speech
    if not softest < HIGHEST_FLOOR * speech:
        return voice
    floor = _mean_of_neighbours(power[sounding & (stretch < NEAR * softest)].mean(dim=0), STRETCH)
    around = functional.avg_pool2d(power[None], 3, stride=1, padding=1, count_include_pad=False)[0]
    gain = (1 - EXCESS * floor / around.clamp_min(1e-20)).clamp_min(LEAST_POWER_GAIN).sqrt()
    gain[:, :LOWEST_BIN] = 1
    gain[:, HIGHEST_BIN:] = 1
    return stft.synthesise((spectrum * gain)[None], len(voice))[0]


def _mean_of_neighbours(values: Tensor, count: int) -> Tensor:
    """Return the moving mean of values [n] over `count` neighbours."""
    return functional.avg_pool1d(values[None], count, stride=1, padding=count // 2, count_include_pad=False)[0]

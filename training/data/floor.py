"""The floor of noise that a recording of speech brings along, taken out: what a network is to give must be clean.

In two of five recordings the softest 80 ms lie less than 40 dB under the speech: hiss, hum, a room. A network that is
trained on them leaves as much of any noise, in pauses and between harmonics, for it cannot tell one floor from another.
The floor is the mean spectrum of the softest stretches and is subtracted twice over, down to a limit (Berouti, Schwartz
and Makhoul, "Enhancement of speech corrupted by acoustic noise", 1979): at these SNRs that spares the voice.
"""

from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.stft import BIN_HZ, Stft

LOWEST_BIN, HIGHEST_BIN = round(60 / BIN_HZ), round(8_000 / BIN_HZ)  # drifts below and air above stay as they are
STRETCH = 5  # frames, 80 ms: how long a soft stretch lasts at least
NEAR = 4.0  # times the softest stretch's power: what else is floor (6 dB)
ACTIVE = 10**-2.5  # of a loud frame's power: above it a frame holds speech
HIGHEST_FLOOR = 1e-2  # of the speech's power: a clip whose softest stretch is louder holds no pause to learn from
SILENCE = 1e-8  # of the speech's power: digital silence beside a recording tells nothing of its floor
EXCESS = 2.0  # how many times over the floor is subtracted
LEAST_POWER_GAIN = 0.04  # 14 dB down; deeper, what is left of the floor would flutter


def without_floor(voice: Tensor) -> Tensor:
    """Return a recording of speech [samples] with its floor of noise 14 dB down; without pauses, as it is."""
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
    """Return the moving mean of values [n] over `count` of them."""
    return functional.avg_pool1d(values[None], count, stride=1, padding=count // 2, count_include_pad=False)[0]

"""How far two channels may share a filter, because they are one stereo image.

Both channels of a stereo image contain the same sources and the same noise; separate filters would move the sources.
Separate microphones (one near and one far, or one for each speaker) contain different noise or speakers; a shared
filter would let the noise of one through while the other speaks. Three figures of the seconds around a moment
distinguish them: the coherence of what is louder than the noise (Carter, "Coherence and time delay estimation", 1987),
the difference between the two noise levels, and the level difference from frame to frame.
"""

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.bands import LOW_BINS
from munsit_denoise.engine.stop import never, stop_if

STEP_FRAMES = 25  # between two moments that are analysed: 0.4 s
AROUND_FRAMES = 125  # analysed each way around a moment: 2 s, a window's context
EVERY = 2  # only each second of these frames is read, as frames overlap by half
FLOOR_SHARE = 0.15  # the share of frames that counts as noise
SPEECH_DB = 6.0  # above the noise: counts as speech
BAND_BINS = 8  # bins that share one noise level
LEAST_SHARE = 0.02  # of the power must be louder than the noise, or the coherence means nothing
LEANING = 0.3  # how far a far microphone follows a near one
MAX_CHANNELS = 8  # with more, each is a microphone of its own


def filter_sharing(spectrogram: Tensor, should_stop: Callable[[], bool] = never) -> Tensor:
    """Return how far each channel shares each other one's filter, from 0 to 1: [channels, channels, frames].

    The spectrogram is complex, [channels, frames, bins]. A moment's figure depends on the frames within
    `AROUND_FRAMES` of it alone. Raises Stopped before the next pair of channels once `should_stop` is true.
    """
    channels, frames = spectrogram.shape[:2]
    out = torch.eye(channels, device=spectrogram.device)[..., None].repeat(1, 1, frames)
    if not 1 < channels <= MAX_CHANNELS:
        return out
    seen = _around(spectrogram[..., :LOW_BINS])  # [channels, moments, frames around, bins]
    power = seen.real.square() + seen.imag.square() + 1e-20
    floor = _noise_floor(power)  # [channels, moments, bands]
    for one, other in combinations(range(channels), 2):
        stop_if(should_stop)
        pair = [one, other]
        both = _shared(seen[pair], power[pair], floor[pair])  # [2, moments]
        out[one, other], out[other, one] = _at_frames(both, frames)
    return out


def _around(spectrogram: Tensor) -> Tensor:
    """Return the frames around each moment, mirrored at the ends of the recording."""
    channels, frames, bins = spectrogram.shape
    moments = range(0, frames, STEP_FRAMES)
    offsets = torch.arange(-AROUND_FRAMES, AROUND_FRAMES + 1, EVERY)
    index = (torch.tensor(moments)[:, None] + offsets).abs()
    index = (frames - 1 - (frames - 1 - index).abs()).clamp(0)
    return spectrogram[:, index.flatten().to(spectrogram.device)].view(channels, len(moments), len(offsets), bins)


def _noise_floor(power: Tensor) -> Tensor:
    """Return the mean power of the quietest frames, per bin [channels, moments, bands]."""
    bands = power.view(*power.shape[:-1], -1, BAND_BINS).mean(-1)
    lowest = max(1, int(FLOOR_SHARE * bands.shape[2]))
    floor: Tensor = bands.topk(lowest, dim=2, largest=False).values.mean(2)
    return floor


def _shared(seen: Tensor, power: Tensor, floor: Tensor) -> Tensor:
    """Return how far each channel of a pair shares the other's filter [2, moments].

    Spectra are [2, moments, frames, bins]. A far microphone gains from the filter of a near one that records the same
    speaker, but not the other way round.
    """
    noise = floor.repeat_interleave(BAND_BINS, -1)[:, :, None]  # [2, moments, 1, bins]
    loud = (power > noise * 10 ** (SPEECH_DB / 10)).any(0)  # [moments, frames, bins]
    speech = power * loud
    cross = (seen[0] * seen[1].conj() * loud).sum(1).abs().square()  # [moments, bins]
    energy = (speech - noise * loud).clamp_min(0).sum(2)  # [2, moments, bins]
    both = energy[0] * energy[1] + 1e-30
    weight = both.sqrt() + 1e-30
    coherence = ((cross / both).clamp_max(1) * weight).sum(-1) / weight.sum(-1)
    said = energy.sum((0, -1)) / power.sum((0, 2, 3))
    noise_db = _mean(10 * (floor[0] / floor[1]).log10(), floor.sum(0).sqrt())
    frame_power = speech.sum(-1) + 1e-20  # [2, moments, frames]
    level_difference = _mean(10 * (frame_power[0] / frame_power[1]).log10().abs(), frame_power.sum(0))
    strangers = _ramp(coherence, 0.10, 0.04)
    apart = _ramp(coherence, 0.55, 0.40) * _ramp(level_difference, 10.0, 14.0)
    each_near_one = _ramp(coherence, 0.90, 0.70) * _ramp(level_difference, 16.0, 20.0)
    near_and_far = _ramp(coherence, 0.90, 0.70) * _ramp(noise_db.abs(), 6.0, 12.0)
    apart = torch.stack([strangers, apart, each_near_one]).amax(0)
    far = LEANING * _ramp(coherence, 0.10, 0.20) * near_and_far
    telling = _ramp(said, LEAST_SHARE / 2, LEAST_SHARE)
    one = 1 - telling * torch.maximum(apart, near_and_far - far * (noise_db > 0))
    other = 1 - telling * torch.maximum(apart, near_and_far - far * (noise_db < 0))
    return torch.stack([one, other])


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over the last axis."""
    return (values * weights).sum(-1) / weights.sum(-1)


def _ramp(values: Tensor, none: float, full: float) -> Tensor:
    """Return 0 at `none`, 1 at `full`, linear in between."""
    return ((values - none) / (full - none)).clamp(0, 1)


def _at_frames(moments: Tensor, frames: int) -> Tensor:
    """Return the values at each frame [channels, frames] of values at each moment [channels, moments]."""
    long = (moments.shape[-1] - 1) * STEP_FRAMES + 1
    each = functional.interpolate(moments[None], size=long, mode="linear", align_corners=True)
    return functional.pad(each, (0, max(frames - long, 0)), mode="replicate")[0, :, :frames]

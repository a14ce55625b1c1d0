"""The rooms of the benchmark: reflections come when and as loud as geometry says."""

import numpy as np
import pytest

from benchmarks.room_responses import MOVED_M, SOUND_M_S, Room, response
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform

OFFICE = Room((4.0, 5.0, 2.6), 0.3, 1.0)


def heard(room: Room, seed: int = 0) -> Waveform:
    return response(room, np.random.default_rng(seed))


def test_the_direct_sound_comes_first_and_the_first_reflection_by_its_way_longer() -> None:
    for seed in range(5):
        x = heard(OFFICE, seed)
        first = int(np.argmax(x[1:] != 0)) + 1
        longest_m = np.hypot(OFFICE.distance_m, OFFICE.size_m[2]) - OFFICE.distance_m  # by the floor or the ceiling
        assert x[0] == 1
        assert 0 < first <= (longest_m + MOVED_M) / SOUND_M_S * SAMPLE_RATE_HZ
        assert 0 < np.abs(x[1:]).max() < 1


@pytest.mark.parametrize("rt60_s", [0.25, 0.5])
def test_the_decay_takes_about_the_reverberation_time(rt60_s: float) -> None:
    x = heard(Room(OFFICE.size_m, rt60_s, 1.0))
    left_db = 10 * np.log10(np.cumsum(np.square(x[::-1], dtype=np.float64))[::-1] / np.square(x).sum() + 1e-12)
    fallen_s = 3 * (int(np.argmax(left_db < -25)) - int(np.argmax(left_db < -5))) / SAMPLE_RATE_HZ
    assert rt60_s <= fallen_s < 1.6 * rt60_s  # equal walls decay more slowly than the formula says


def test_farther_away_there_is_more_reverberation() -> None:
    near, far = (np.square(heard(Room(OFFICE.size_m, 0.3, distance_m))[1:]).sum() for distance_m in (0.5, 2.0))
    assert far > 4 * near

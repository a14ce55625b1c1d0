"""Computed rooms: the direct path first, then a tail of the loudness and decay that they are meant to have."""

import numpy as np
import pytest

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.rooms import HALL_RT60_S, HALL_TAIL_DB, RT60_S, TAIL_DB, hall, room
from training.mix.signals import rms

FADED_MS = 30  # after the direct path: only the tail is left


@pytest.mark.parametrize(("make", "rt60_s", "tail_db"), [(room, RT60_S, TAIL_DB), (hall, HALL_RT60_S, HALL_TAIL_DB)])
def test_a_room_has_a_direct_path_and_a_decaying_tail(make, rt60_s, tail_db) -> None:  # type: ignore[no-untyped-def]
    for seed in range(20):
        response = make(np.random.default_rng(seed))
        assert response[0] == np.abs(response).max() == 1
        assert rt60_s[0] <= len(response) / SAMPLE_RATE_HZ <= 1.2 * rt60_s[1]
        tail = response[int(FADED_MS / 1000 * SAMPLE_RATE_HZ) :]
        assert 10 * np.log10(np.square(tail).sum()) <= tail_db[1]
        half = len(tail) // 2
        assert rms(tail[half:]) < 0.3 * rms(tail[:half])


def test_halls_are_more_reverberant_than_rooms() -> None:
    def late_db(make) -> float:  # type: ignore[no-untyped-def]
        late = [np.square(make(np.random.default_rng(seed))[2_400:]).sum() for seed in range(20)]
        return float(10 * np.log10(np.mean(late)))

    assert late_db(hall) > late_db(room) + 6

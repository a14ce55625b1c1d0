"""The PESQ distance against scores of the reference implementation (pesq 0.0.4, wide band, at 16 kHz)."""

import numpy as np
import pytest

from tests.training.degraded import CLEAN, power, with_hiss
from training.losses.pesq import PesqLoss
from training.mix.signals import clipped, companded, low_pass

DEGRADED = {
    "hiss at 30 dB": (with_hiss(30), 1.69),
    "hiss at 20 dB": (with_hiss(20), 1.16),
    "hiss at 10 dB": (with_hiss(10), 1.02),
    "telephone band": (low_pass(CLEAN, 3_400.0), 4.49),
    "clipping": (clipped(CLEAN, 0.4), 1.05),
    "companding": (companded(CLEAN), 2.34),
}


@pytest.mark.parametrize("name", DEGRADED)
def test_the_score_is_near_the_reference(name: str) -> None:
    degraded, score = DEGRADED[name]
    assert PesqLoss().mos(power(degraded), power(CLEAN)).item() == pytest.approx(score, abs=0.45)


def test_the_score_follows_the_reference() -> None:
    ours = [PesqLoss().mos(power(x), power(CLEAN)).item() for x, _ in DEGRADED.values()]
    assert np.corrcoef(ours, [score for _, score in DEGRADED.values()])[0, 1] > 0.97


def test_level_does_not_matter_and_equal_signals_are_at_no_distance() -> None:
    clean = power(CLEAN)
    assert PesqLoss()(0.01 * clean, clean).item() == pytest.approx(0, abs=0.01)

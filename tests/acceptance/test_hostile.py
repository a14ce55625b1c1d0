"""Broken inputs: each gets a clean 400 or a failed record, the server goes on, nothing stays behind."""

from pathlib import Path

import pytest

from tests.chaos.hostile import broken_inputs, send_all
from tests.live import run_live

SHARE = 3  # `make chaos` sends all of them


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_broken_inputs_are_refused_or_fail_with_a_sentence(tmp_path: Path) -> None:
    """Every third: each kind in some containers, and each container in some kinds."""
    every = list(broken_inputs(tmp_path))
    assert len(every) >= 120
    with run_live(tmp_path / "data", job_concurrency=2) as live:
        faults = send_all(live, [each for at, each in enumerate(every) if (at + at // 9) % SHARE == 0])
    assert faults == []

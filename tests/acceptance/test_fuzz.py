"""What /openapi.json says is true of whatever is sent: a short run of `make fuzz-api`."""

from pathlib import Path

from tests.fuzz import fuzz


def test_no_answer_is_undescribed(tmp_path: Path) -> None:
    code, cases, told = fuzz(tmp_path, 2, "--phases", "examples,fuzzing", "--seed", "1")
    assert code == 0, told
    assert cases > 100

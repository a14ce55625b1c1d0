"""Every error has its place in the dialect's table."""

import pytest

from munsit_denoise.errors import (
    AudioTooLong,
    DenoiseError,
    FileTooLarge,
    InsufficientBalance,
    KeyInUse,
    UploadInUse,
)
from munsit_denoise.routes.audo.errors import STATUS
from munsit_denoise.routes.munsit.errors import STATUS_AND_CODE


def family(error: type[DenoiseError]) -> set[type[DenoiseError]]:
    return {error}.union(*(family(child) for child in error.__subclasses__()))


def test_every_error_class_has_a_status_and_a_code_that_fit() -> None:
    assert set(STATUS_AND_CODE) == family(DenoiseError)
    for status, code in STATUS_AND_CODE.values():
        assert code.startswith(str(status))
        assert len(code) == 5


def test_audos_table_is_whole_and_400_means_no_credit() -> None:
    assert set(STATUS) == family(DenoiseError)
    assert [error for error, status in STATUS.items() if status == 400] == [InsufficientBalance]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AudioTooLong(1.5, 90.1), "limit of 1.5 minutes. Duration: 1.502 minutes"),
        (AudioTooLong(15, 1000), "limit of 15 minutes. Duration: 16.67 minutes"),
        (FileTooLarge(200, 200 * 2**20 + 1), "limit of 200MB. File size: 200.000001MB"),
        (FileTooLarge(200, 250 * 2**20), "limit of 200MB. File size: 250MB"),
        (InsufficientBalance(3_000, 2_994), "Required: 0.05 minutes. Available: 0.0499 minutes."),
        (InsufficientBalance(90_000, 0), "Required: 1.5 minutes. Available: 0 minutes."),
    ],
)
def test_what_is_too_much_is_told_as_more(error: DenoiseError, sentence: str) -> None:
    assert error.message.endswith(sentence)


def test_whoever_may_come_back_is_told_when() -> None:
    statuses = {error: status for error, (status, _) in STATUS_AND_CODE.items()}
    for told in (statuses, STATUS):
        for error, status in told.items():
            assert bool(error.retry_after_s) == (status in (429, 503) or error in (KeyInUse, UploadInUse)), error

"""Every error has its place in the dialect's table."""

from munsit_denoise.errors import DenoiseError, InsufficientBalance, KeyInUse, UploadInUse
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


def test_whoever_may_come_back_is_told_when() -> None:
    statuses = {error: status for error, (status, _) in STATUS_AND_CODE.items()}
    for told in (statuses, STATUS):
        for error, status in told.items():
            assert bool(error.retry_after_s) == (status in (429, 503) or error in (KeyInUse, UploadInUse)), error

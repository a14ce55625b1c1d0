"""How large a result will be is known before its job is accepted."""

import pytest

from munsit_denoise.errors import ResultTooLarge
from munsit_denoise.jobs.intake import Received, UploadLimits
from munsit_denoise.jobs.result_size import needed_bytes
from munsit_denoise.jobs.submit import Submission
from munsit_denoise.media.formats import FORMATS
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.records import Options, Origin
from tests.audio import write_noisy
from tests.jobs.conftest import House

MIB = 2**20


def track(rate_hz: int = 16_000, channels: int = 1, seconds: float = 60, **more: object) -> AudioTrack:
    return AudioTrack(rate_hz, channels, None, "flac", 16, False, seconds, "flac", **more)  # type: ignore[arg-type]


def test_silence_that_packs_into_nothing_is_reckoned_at_its_full_size() -> None:
    """67 kB of FLAC, 8 channels at 192 kHz."""
    needed = needed_bytes(track(192_000, 8, 180), Options("wav"), 67_000)
    assert needed == pytest.approx(180 * 192_000 * 8 * 2, rel=0.01)


@pytest.mark.parametrize("extension", sorted(FORMATS))
def test_every_format_is_reckoned_and_none_larger_than_its_samples(extension: str) -> None:
    needed = needed_bytes(track(), Options(extension), 10_000)
    assert 10_000 < needed < 60 * 96_000 * 4 + MIB


def test_what_lies_beside_a_result_until_its_last_step_counts() -> None:
    plain = needed_bytes(track(), Options("wav"), 5 * MIB)
    assert needed_bytes(track(), Options("wav", level_lufs=-16.0), 5 * MIB) == plain + 60 * 16_000 * 4
    film = needed_bytes(track(has_picture=True), Options("mp4"), 5 * MIB)
    assert film > needed_bytes(track(), Options("mp4"), 0) + 5 * MIB + 60 * 16_000 * 4 - 1


@pytest.mark.anyio
async def test_a_result_over_the_bound_is_refused_before_its_job_is_accepted(house: House) -> None:
    limits = UploadLimits(200, 15, 0, 0, 0, result_mb_per_user=1)
    house.admission._limits = limits
    submission = Submission(house.parts, house.admission, house.examiner, limits)

    async def receive(path):
        write_noisy(path.with_suffix(".wav"), 40, 16_000).replace(path)
        return Received("a.wav", path.stat().st_size)

    with pytest.raises(ResultTooLarge, match="1MB"):
        await submission.submit(house.record.user_id, Origin.MUNSIT, Options("wav"), receive)
    assert [job_ids async for job_ids in house.storage.jobs()] == [[house.record.id]]

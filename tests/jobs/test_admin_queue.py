"""What an admin sees of jobs that run on another machine."""

from dataclasses import replace

import pytest

from munsit_denoise.db.admin import Overview
from munsit_denoise.db.balance import Balances
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.records import Beat
from munsit_denoise.db.users import Users
from munsit_denoise.jobs.admin import Admin, AdminLeaves
from tests.db.test_records import make_record
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio


def admin_of(house: House, lease_s: float | None) -> Admin:
    database = house.database
    leaves = AdminLeaves(Overview(database), Balances(database), Users(database), lease_s)
    return Admin(house.parts, Keys(database), leaves)


async def test_a_job_runs_while_its_worker_gives_signs_of_life(house: House) -> None:
    waiting = replace(make_record(house.record.user_id, 7), source_url="http://h/a")
    await house.records.insert(waiting)
    lease = await house.records.claim(house.record.id)
    assert lease
    await house.records.beat([Beat(lease, 40, "works")])
    shared, alone = admin_of(house, 30.0), admin_of(house, None)
    states = {job.job.id: (job.state, job.percent) for job in await shared.queue(0, 10)}
    assert states == {house.record.id: ("running", 40), waiting.id: ("waiting", 0)}
    silent = admin_of(house, 0.0)  # longer than its lease
    for admin in (alone, silent):
        assert {job.state for job in await admin.queue(0, 10)} == {"waiting"}

"""From one machine into a cluster, on real servers: gone on with, compared, refused where it would mix."""

from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from munsit_denoise.backup import moving
from munsit_denoise.backup.manifest import FileDigest
from munsit_denoise.backup.moving import move
from munsit_denoise.cli import app
from munsit_denoise.commands.move import SCRATCH
from munsit_denoise.db.checkup import installation_id
from munsit_denoise.db.migrate import UnusableDatabase, connected, upgrade
from munsit_denoise.db.transfer import compare_rows, copy_rows, is_empty
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.lock import only_server
from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage
from munsit_denoise.storages import open_storage
from tests.live import make_settings
from tests.ops.installation import add_growing, add_job, files_of, job_id, make_installation, sql
from tests.services import Databases, new_bucket

pytestmark = pytest.mark.anyio


def nobody(_: int, __: int) -> None:
    """Hear how far it is."""


@pytest.fixture
def cluster(tmp_path: Path, postgres_server: Databases, s3_endpoint: str) -> Settings:
    """Return an empty database, without a schema, and an empty bucket."""
    return make_settings(
        tmp_path / "node",
        database_url=postgres_server.new_database(),
        storage_url=new_bucket(s3_endpoint),
        s3_endpoint=s3_endpoint,
    )


async def contents(storage: Storage) -> dict[str, bytes]:
    found = {}
    async for job_ids in storage.jobs():
        for key in [key for one in job_ids for key in await storage.keys(one)]:
            async with storage.open_range(key) as reader:
                found[key] = await reader.read(1000)
    return found


async def test_an_interrupted_move_goes_on_and_all_arrives(
    tmp_path: Path, cluster: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await make_installation(tmp_path / "here", jobs=3)
    await add_job(here, 7, ends=False)
    growing = await add_growing(here, 8, b"begun")
    lost = f"{job_id(1)}/original"
    LocalStorage(here.storage_root).path(lost).unlink()
    copy = moving.copy_rows

    def break_off(source: str, target: str, *after: str) -> int:
        copy(source, target, *after)  # committed, and then the machine goes down
        raise KeyboardInterrupt

    async def store_breaks(source: Storage, target: Storage, key: str) -> FileDigest:
        if key.startswith(job_id(2)):
            raise KeyboardInterrupt
        return await moving_copy(source, target, key)

    moving_copy = moving.copy_file
    for name, act in (("copy_file", store_breaks), ("copy_rows", break_off)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(moving, name, act)
            await move(here, cluster, tmp_path / "scratch", nobody)
    moved = await move(here, cluster, tmp_path / "scratch", nobody)

    assert (moved.files, moved.missing) == (7, [lost])
    assert compare_rows(here.database, cluster.database) == moved.rows > 8
    with connected(cluster.database) as connection:  # once, and the job that had not ended alone
        entries = connection.exec_driver_sql("SELECT queue_name, args->>'record_id' FROM procrastinate_jobs").fetchall()
    assert entries == [("jobs", job_id(7))]
    there = open_storage(cluster, tmp_path / "scratch")
    own = files_of(here.storage_root)
    assert await there.appended_bytes(growing) == 5
    assert {key: data for key, data in (await contents(there)).items() if not key.startswith(job_id(8))} == {
        key: data for key, data in own.items() if key != growing
    }
    assert await there.installation_id() == installation_id(cluster.database) == installation_id(here.database)


async def test_a_place_of_another_installation_is_refused_and_stays_as_it_is(tmp_path: Path, cluster: Settings) -> None:
    here = await make_installation(tmp_path / "here", jobs=1)
    other = await make_installation(tmp_path / "other", jobs=1)
    scratch = tmp_path / "scratch"
    there = open_storage(cluster, scratch)
    async with there.new_file(f"{job_id(5)}/original") as path:
        path.write_bytes(b"x")
    with pytest.raises(CannotGoOn, match="other recordings"):
        await move(here, cluster, scratch, nobody)
    await there.delete_job(job_id(5))
    await there.name_installation("another")
    with pytest.raises(CannotGoOn, match="target storage belongs to another"):
        await move(here, cluster, scratch, nobody)
    assert is_empty(cluster.database)
    await anyio.to_thread.run_sync(copy_rows, other.database, cluster.database)
    with pytest.raises(CannotGoOn, match="target database belongs to another"):
        await move(here, cluster, scratch, nobody)
    assert compare_rows(other.database, cluster.database)


async def test_a_row_that_changed_on_the_way_is_found_and_nothing_is_committed(
    tmp_path: Path, cluster: Settings
) -> None:
    here = await make_installation(tmp_path / "here", jobs=2)
    upgrade(cluster.database)
    with connected(cluster.database, writes=True) as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.audio_duration = 9.75; RETURN NEW; END $$;"
            " CREATE TRIGGER spoil BEFORE INSERT ON denoise_records FOR EACH ROW EXECUTE FUNCTION spoil()"
        )
    with pytest.raises(UnusableDatabase, match=r"denoise_records are not the same.*2 here, 2 there"):
        copy_rows(here.database, cluster.database)
    assert is_empty(cluster.database)


async def test_a_database_with_an_older_schema_is_refused(tmp_path: Path, cluster: Settings) -> None:
    here = await make_installation(tmp_path / "here", jobs=1)
    upgrade(cluster.database, "0003")
    with pytest.raises(UnusableDatabase, match="db upgrade"):
        await move(here, cluster, tmp_path / "scratch", nobody)


def test_the_command(tmp_path: Path, cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    here = anyio.run(make_installation, tmp_path / "here", 1)
    with sql(here) as connection:
        connection.execute("DELETE FROM installation")  # keys were made, and nothing was ever served
    next(here.storage_root.glob(".installation-*")).rmdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("DENOISE_S3_ENDPOINT", cluster.s3_endpoint)
    words = ["move", "--to-database", cluster.database_url, "--to-storage", cluster.storage_url]
    run = CliRunner().invoke
    with only_server(here):
        assert "Another server is already running" in run(app, words).output
    wrong = run(app, ["move", "--to-database", "sqlite:////tmp/x.db", "--to-storage", cluster.storage_url])
    assert (wrong.exit_code, "must be a PostgreSQL database" in wrong.output) == (1, True)
    (here.data_dir / f"{SCRATCH}killed").mkdir()
    (here.data_dir / f"{SCRATCH}killed" / "copy").write_bytes(b"part of a file")
    (here.data_dir / "moving-house").mkdir()
    for _ in range(2):  # the second one finds everything there
        done = run(app, words)
        assert done.exit_code == 0, done.output
        assert "2 files" in done.output
    assert [path.name for path in here.data_dir.iterdir() if "moving" in path.name] == ["moving-house"]

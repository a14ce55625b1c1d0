"""A backup that is taken beside a running server, put back, refused, gone on with."""

from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from munsit_denoise.backup import saving
from munsit_denoise.backup.manifest import FileDigest, read_manifest
from munsit_denoise.backup.restoring import check_backup, restore
from munsit_denoise.backup.saving import save
from munsit_denoise.cli import app
from munsit_denoise.db.checkup import installation_id
from munsit_denoise.db.migrate import downgrade, upgrade
from munsit_denoise.db.transfer import compare_rows
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.leaves import open_leaves
from munsit_denoise.lock import only_server
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage
from tests.live import make_settings
from tests.ops.installation import add_growing, add_job, files_of, job_id, make_installation, put, sql

pytestmark = pytest.mark.anyio


async def test_a_backup_that_was_put_back_is_the_same_installation(tmp_path: Path) -> None:
    settings = await make_installation(tmp_path / "here", jobs=2)
    await add_job(settings, 7, ends=False)
    growing = await add_growing(settings, 8, b"begun")
    stray = f"{job_id(9)}/original"
    await put(LocalStorage(settings.storage_root), stray, b"no row names this")
    with only_server(settings):  # a server runs
        made = await save(settings, tmp_path / "saved", link=False)
    assert set(made.files) == set(files_of(settings.storage_root)) - {stray}
    assert made.growing == [growing]

    there = make_settings(tmp_path / "there", port=0)
    _, aside = await restore(there, tmp_path / "saved", overwrite=False)
    assert aside == []
    assert compare_rows(settings.database, there.database) > 5
    assert files_of(there.storage_root) == {
        key: content for key, content in files_of(settings.storage_root).items() if key != stray
    }
    async with open_leaves(there) as leaves:  # what a start checks
        assert await leaves.storage.appended_bytes(growing) == len(b"begun")
    assert check_backup(tmp_path / "saved") == made, "using a backup must not change it"


async def test_restoring_refuses_what_is_there_and_puts_aside_what_is_newer(tmp_path: Path) -> None:
    settings = await make_installation(tmp_path / "here", jobs=1)
    await save(settings, tmp_path / "saved", link=False)
    newer = await add_job(settings, 5)
    with pytest.raises(CannotGoOn, match="--overwrite"):
        await restore(settings, tmp_path / "saved", overwrite=False)
    _, (database, place) = await restore(settings, tmp_path / "saved", overwrite=True)
    assert (Path(place) / newer / "original").read_bytes() == b"original 5"
    assert set(files_of(settings.storage_root)) == set(read_manifest(tmp_path / "saved").files)
    with sql(settings) as now, sql(settings.model_copy(update={"database_url": f"sqlite:///{database}"})) as before:
        count = "SELECT count(*) FROM denoise_records"
        assert (now.execute(count).fetchone(), before.execute(count).fetchone()) == ((1,), (2,))


@pytest.mark.parametrize("what", ["database", "file", "missing file", "manifest", "unfinished"])
async def test_a_backup_that_is_not_what_it_was_changes_nothing(tmp_path: Path, what: str) -> None:
    settings = await make_installation(tmp_path / "here", jobs=1)
    await save(settings, folder := tmp_path / "saved", link=False)
    file = next((folder / "files").glob("??/*/original"))
    match what:
        case "database":
            (folder / "denoise.db").write_bytes((folder / "denoise.db").read_bytes()[:-1] + b"x")
        case "file":
            file.write_bytes(b"0riginal 0")
        case "missing file":
            file.unlink()
        case "manifest":
            (folder / "manifest.json").write_text("{}")
        case _:
            (folder / "manifest.json").unlink()
    there = make_settings(tmp_path / "there", port=0)
    with pytest.raises(CannotGoOn, match=r"damaged|not a complete backup"):
        await restore(there, folder, overwrite=False)
    assert not there.database_path.exists()
    assert files_of(there.storage_root) == {}


async def test_what_is_deleted_while_it_is_copied_is_deleted_in_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await make_installation(tmp_path / "here", jobs=3)
    copy, victim = saving.copy_file, job_id(2)

    async def copy_while_one_goes(source: Storage, target: Storage, key: str) -> FileDigest:
        if (settings.storage_root / victim[:2] / victim).exists():
            with sql(settings) as connection:
                connection.execute("UPDATE denoise_records SET deleted_at = 1 WHERE id = ?", (victim,))
            await source.delete_job(victim)
        return await copy(source, target, key)

    monkeypatch.setattr(saving, "copy_file", copy_while_one_goes)
    made = await save(settings, tmp_path / "saved", link=False)
    assert made.missing == []
    assert len(made.files) == 4
    check_backup(tmp_path / "saved")


async def test_what_has_been_missing_all_along_is_told(tmp_path: Path) -> None:
    settings = await make_installation(tmp_path / "here", jobs=2)
    lost = f"{job_id(1)}/original"
    LocalStorage(settings.storage_root).path(lost).unlink()
    made = await save(settings, tmp_path / "saved", link=False)
    assert made.missing == [lost]
    assert len(made.files) == 3


async def test_an_interrupted_backup_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = await make_installation(tmp_path / "here", jobs=3)
    copy, copied = saving.copy_file, 0

    async def break_off(source: Storage, target: Storage, key: str) -> FileDigest:
        nonlocal copied
        copied += 1
        if copied == 3:
            raise KeyboardInterrupt
        return await copy(source, target, key)

    monkeypatch.setattr(saving, "copy_file", break_off)
    with pytest.raises(KeyboardInterrupt):
        await save(settings, tmp_path / "saved", link=False)
    with pytest.raises(CannotGoOn, match="not a complete backup"):
        check_backup(tmp_path / "saved")
    monkeypatch.undo()
    await LocalStorage(settings.storage_root).delete_job(job_id(0))  # copied already, and deleted since
    with sql(settings) as connection:
        connection.execute("DELETE FROM denoise_records WHERE id = ?", (job_id(0),))
    made = await save(settings, tmp_path / "saved", link=False)
    assert len(made.files) == 4
    assert set(files_of(tmp_path / "saved/files")) == set(made.files)
    with pytest.raises(CannotGoOn, match="is not empty"):
        await save(settings, tmp_path / "saved", link=False)


async def test_links_need_no_room_and_stay_when_the_recording_goes(tmp_path: Path) -> None:
    settings = await make_installation(tmp_path / "here", jobs=1)
    key = await add_growing(settings, 3, b"begun")
    made = await save(settings, tmp_path / "saved", link=True)
    original = tmp_path / f"saved/files/00/{job_id(0)}/original"
    assert original.stat().st_nlink == 2
    assert (tmp_path / f"saved/files/00/{key}").stat().st_nlink == 1, "it would grow in the backup as well"
    await LocalStorage(settings.storage_root).delete_job(job_id(0))
    assert check_backup(tmp_path / "saved") == made


async def test_a_database_of_an_older_version_is_saved_as_it_is(tmp_path: Path) -> None:
    settings = await make_installation(tmp_path / "here", jobs=1)
    downgrade(settings.database, "0004")
    made = await save(settings, tmp_path / "saved", link=False)
    assert made.schema == "0004"
    there = make_settings(tmp_path / "there", port=0)
    await restore(there, tmp_path / "saved", overwrite=False)
    upgrade(there.database)  # as a start does
    assert installation_id(there.database) == made.installation is not None


def test_commands_tell_what_they_did_and_what_keeps_them_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = anyio.run(make_installation, tmp_path / "here", 1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "here"))
    run = CliRunner().invoke
    assert "inside the folder of the recordings" in run(app, ["backup", "here/files/saved"]).output
    assert "saved: 2 files" in run(app, ["backup", "saved"]).output
    assert "saved: 2 files" in run(app, ["backup", "--link", "linked"]).output
    assert "all is well: 2 files" in run(app, ["restore", "saved", "--check"]).output
    with only_server(settings):
        assert "Another server is already running" in run(app, ["restore", "saved", "--overwrite"]).output
    done = run(app, ["restore", "saved", "--overwrite"])
    assert (done.exit_code, done.output.count("set aside: ")) == (0, 1)
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "nowhere"))
    done = run(app, ["backup", "other"])
    assert (done.exit_code, "Check DENOISE_DATA_DIR" in done.output) == (1, True)
    monkeypatch.setenv("DENOISE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert "pg_dump" in run(app, ["backup", "other"]).output

"""One server for one set of data, however the second is led to it."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from munsit_denoise.lock import AlreadyRunning, only_server
from tests.live import make_settings


@pytest.mark.parametrize("shared", ["data", "database", "recordings"])
def test_a_second_server_is_refused(tmp_path: Path, shared: str) -> None:
    first = make_settings(tmp_path / "one")
    second = make_settings(tmp_path / "two")
    if shared == "data":
        second = first
    elif shared == "database":
        (tmp_path / "link.db").symlink_to(tmp_path / "one/denoise.db")
        second = make_settings(tmp_path / "two", database_url=f"sqlite:///{tmp_path}/link.db")
    else:
        second = make_settings(tmp_path / "two", storage_url=f"file://{tmp_path}/one/files")
    with only_server(first):
        with pytest.raises(AlreadyRunning, match=str(tmp_path / "one")), only_server(second):
            pass
        with only_server(make_settings(tmp_path / "three")):
            pass
    with only_server(second):
        pass


def test_a_server_waits_for_a_command_that_holds_the_data_for_a_moment(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)

    def hold() -> None:
        with only_server(settings, patience_s=60):
            time.sleep(0.3)

    with ThreadPoolExecutor() as threads:
        holders = [threads.submit(hold) for _ in range(2)]
        assert [holder.result() for holder in holders] == [None, None]


@pytest.mark.parametrize("setting", ["DENOISE_DATA_DIR", "DENOISE_STORAGE_URL"])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path, setting: str) -> None:
    (tmp_path / "file").write_text("x")
    settings = make_settings(tmp_path / "file")
    if setting == "DENOISE_STORAGE_URL":
        settings = make_settings(tmp_path / "data", storage_url=f"file://{tmp_path}/file")
    with pytest.raises(NotADirectoryError, match=setting), only_server(settings):
        pass

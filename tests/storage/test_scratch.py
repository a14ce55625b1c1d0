"""Temporary files of a process, also after somebody has removed its folder."""

import shutil
from pathlib import Path

import pytest

from munsit_denoise.storage.scratch import HOLDER, ScratchFolder

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("removed", ["", HOLDER])
async def test_a_folder_that_was_removed_is_created_again(tmp_path: Path, removed: str) -> None:
    root = tmp_path / "data"
    scratch = ScratchFolder(root)
    shutil.rmtree(root / removed)
    assert scratch.free_bytes() > 0
    shutil.rmtree(root / removed)
    async with scratch.place("job/original") as path:
        path.write_bytes(b"sound")
        ScratchFolder(root)  # of another process, which removes what belongs to nobody
        assert path.read_bytes() == b"sound"
    assert not path.exists()


def test_folders_of_dead_processes_are_removed(tmp_path: Path) -> None:
    left = tmp_path / HOLDER / "left"
    left.mkdir(parents=True)
    ScratchFolder(tmp_path)
    assert not left.exists()

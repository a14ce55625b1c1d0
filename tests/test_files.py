"""Results appear whole, where nothing may be lost; pipes and devices stay what they are."""

import os
import threading
from pathlib import Path

import pytest

from munsit_denoise.batch.paths import descriptor, is_special
from munsit_denoise.batch.pipes import pour, spool
from munsit_denoise.files import appearing, remove_leftovers, workplace


def test_a_result_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with appearing(tmp_path / "a.wav", overwrite=False) as part:
            part.write_bytes(b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "a.wav").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_nothing_appears_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), appearing(tmp_path / "a.wav", overwrite=False) as part:
        part.write_bytes(b"half")
        raise ValueError("x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    with pytest.raises(FileExistsError), appearing(target, overwrite=False) as part:
        part.write_bytes(b"new")
        target.write_bytes(b"another's")
    assert target.read_bytes() == b"another's"


def test_a_link_as_target_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.wav").write_bytes(b"old")
    (tmp_path / "link.wav").symlink_to("real.wav")
    with appearing(tmp_path / "link.wav", overwrite=True) as part:
        part.write_bytes(b"new")
    assert (tmp_path / "link.wav").is_symlink()
    assert (tmp_path / "real.wav").read_bytes() == b"new"


def test_what_a_kill_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    with workplace(tmp_path) as place:
        (place / ".result.wav").write_bytes(b"half")
        left = tmp_path / (place.name + "x")
        left.mkdir()
        (left / ".result.wav").write_bytes(b"half")
        remove_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == [place]


def test_pipes_devices_and_descriptors_are_special(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/stdout")
    with (tmp_path / "file.wav").open("wb") as file:
        assert descriptor(Path(f"/dev/fd/{file.fileno()}")) == file.fileno()
        assert descriptor(Path(f"/proc/self/fd/{file.fileno()}")) == file.fileno()
    assert descriptor(tmp_path / "link") == 1
    assert all(map(is_special, (tmp_path / "pipe", Path("/dev/null"), Path("/dev/stdout"))))
    assert not any(map(is_special, (tmp_path / "file.wav", tmp_path, tmp_path / "missing")))


def test_a_pipe_is_read_to_its_end_and_written_to(tmp_path: Path) -> None:
    pipe, result, received = tmp_path / "pipe", tmp_path / "result", tmp_path / "received"
    os.mkfifo(pipe)
    result.write_bytes(os.urandom(3_000_000))
    reader = threading.Thread(target=spool, args=(pipe, received))
    reader.start()
    pour(result, pipe)
    reader.join()
    assert pipe.is_fifo()
    assert received.read_bytes() == result.read_bytes()


def test_a_device_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is a device"):
        spool(Path("/dev/zero"), tmp_path / "received")

"""Weights that are not what they were are told in a sentence, and the programs end with it."""

import errno
import shutil
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
import torch

from munsit_denoise.batch.engine import Engine, EngineUnusable
from munsit_denoise.engine import weights
from munsit_denoise.engine.catalogue import BrokenWeights
from munsit_denoise.engine.weights import DEFAULT_WEIGHTS, DIGEST, DRY_DIGEST, DRY_WEIGHTS, load_network
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.settings import Settings

CPU = torch.device("cpu")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1_000_000] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut off": truncate,
    "a bit": flip,
    "no digest": lambda path: path.with_suffix(".sha256").unlink(),
    "an empty digest": lambda path: path.with_suffix(".sha256").write_bytes(b""),
}


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's weights, in the place of the package's."""
    (tmp_path / "weights").mkdir()
    for name in (DEFAULT_WEIGHTS, DIGEST, DRY_WEIGHTS, DRY_DIGEST):
        shutil.copy(str(resources.files("munsit_denoise.engine") / "weights" / name), tmp_path / "weights")
    monkeypatch.setattr(weights.resources, "files", lambda _: tmp_path)
    return tmp_path / "weights" / DEFAULT_WEIGHTS


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_weights_are_not_used(packaged: Path, damage: str, dry: bool) -> None:
    load_network(CPU, dry=dry)
    path = packaged.with_name(DRY_WEIGHTS) if dry else packaged
    DAMAGE[damage](path)
    with pytest.raises(BrokenWeights, match=rf"{path.name}: the model's weights .*install") as caught:
        load_network(CPU, dry=dry)
    assert "\n" not in str(caught.value)
    load_network(CPU, dry=not dry)


def test_a_machine_without_descriptors_or_memory_says_nothing_of_the_weights(
    packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(error: Exception) -> Callable[..., None]:
        def fail(*_: object, **__: object) -> None:
            raise error

        return fail

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fails(OSError(errno.EMFILE, "Too many open files")))
        with pytest.raises(BrokenWeights) as caught:
            load_network(CPU, dry=True)
        assert caught.value.errno == errno.EMFILE
    monkeypatch.setattr(weights, "MaskNetwork", fails(RuntimeError("DefaultCPUAllocator: can't allocate memory")))
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        load_network(CPU, dry=True)


@pytest.mark.parametrize("content", [None, b"", b"\x08\0\0\0\0\0\0\0{}      ", b"RIFF" * 100])
def test_what_is_no_network_is_told_of_other_files_too(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "own.safetensors").write_bytes(content)
    with pytest.raises(BrokenWeights, match=r"own\.safetensors: the model's weights cannot be used \(.+\)$"):
        load_network(CPU, tmp_path / "own.safetensors")


@pytest.mark.anyio
async def test_the_command_line_ends_with_the_sentence(packaged: Path) -> None:
    flip(packaged)
    engine = Engine(Settings(), 1.0, 1, threading.Event())
    with pytest.raises(EngineUnusable, match=r"weights are damaged .*install munsit-denoise again"):
        await engine.denoiser(AudioTrack(8_000, 1, None, "pcm_s16le", 16, False, 1.0, "wav"))

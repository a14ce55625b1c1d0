"""DeepFilterNet3 as it was read into PyTorch: what its file says, in pieces of any length, from whole weights."""

import errno
import io
import tarfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from munsit_denoise.engine.catalogue import BEST_PACKAGE, BrokenWeights, has_best
from munsit_denoise.engine.deepfilternet import weights
from munsit_denoise.engine.deepfilternet.features import HOP, N_FFT, Spectra
from munsit_denoise.engine.deepfilternet.network import Memory, Network
from munsit_denoise.engine.deepfilternet.stream import LAG, RecurrentStream
from tests.audio import hiss, voice

RATE_HZ = 48_000
pytestmark = pytest.mark.skipif(not has_best(), reason="munsit-denoise[best] is not installed")


@pytest.fixture(scope="module")
def network() -> Network:
    return weights.load_network()


def features(frames: int) -> tuple[Tensor, Tensor]:
    """Return what could be levels and low bins of so many frames."""
    made = torch.Generator().manual_seed(0)
    return torch.randn(1, 1, frames, 32, generator=made), torch.randn(1, 2, frames, 96, generator=made)


def session(part: str) -> Any:
    """Return one of the three networks in ONNX Runtime."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="training/requirements.txt is not installed")
    archive = (resources.files(BEST_PACKAGE) / weights.ARCHIVE).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return onnxruntime.InferenceSession(weights._member(tar, part), providers=["CPUExecutionProvider"])


def test_it_computes_what_its_file_says(network: Network) -> None:
    encoder, erb_decoder, filter_decoder = map(session, weights.PARTS)
    erb, low = features(40)
    names = ("e0", "e1", "e2", "e3", "emb", "c0")
    found = dict(zip(names, encoder.run(names, {"feat_erb": erb.numpy(), "feat_spec": low.numpy()}), strict=True))
    (their_gains,) = erb_decoder.run(("m",), {name: found[name] for name in ("emb", "e3", "e2", "e1", "e0")})
    (their_taps,) = filter_decoder.run(("coefs",), {name: found[name] for name in ("emb", "c0")})
    with torch.inference_mode():
        gains, taps = network(erb, low, Memory())
    np.testing.assert_allclose(gains, their_gains[:, 0], atol=1e-5)
    np.testing.assert_allclose(taps, their_taps, atol=1e-5)


def test_pieces_are_the_whole(network: Network) -> None:
    erb, low = features(30)
    memory, pieces = Memory(), []
    with torch.inference_mode():
        whole = network(erb, low, Memory())
        for start, stop in ((0, 1), (1, 3), (3, 20), (20, 30)):
            pieces.append(network(erb[:, :, start:stop], low[:, :, start:stop], memory))
    for number in range(2):
        torch.testing.assert_close(torch.cat([piece[number] for piece in pieces], 1), whole[number], rtol=0, atol=1e-5)


def test_its_transforms_give_back_what_they_take() -> None:
    spectra, x = Spectra(), torch.randn(2, 12 * HOP)
    back = spectra.synthesise(spectra.analyse(x))
    torch.testing.assert_close(back, x[:, HOP : HOP + back.shape[1]], rtol=0, atol=1e-5)
    assert back.shape[1] == 12 * HOP - N_FFT


def test_a_stream_is_behind_by_its_lag_and_no_more(network: Network) -> None:
    clean = torch.from_numpy(voice(1.0, RATE_HZ))
    noisy = (clean + 0.3 * torch.from_numpy(hiss(RATE_HZ, 0.1)))[None]
    stream = RecurrentStream(network, Spectra())
    found = torch.cat([stream.feed(piece) for piece in torch.split(noisy, 20 * HOP, dim=1)], dim=1)[0]
    assert len(found) == RATE_HZ - LAG
    bent, edges = clean[: len(found)].diff(n=2)[100:-100], found.diff(n=2)  # the low sounds are right over many lags
    products = [float(bent @ edges.roll(-lag)[100:-100]) for lag in range(-50, 51)]
    assert int(np.argmax(products)) == 50


@pytest.mark.parametrize("harm", [b"", b"damaged"])
def test_weights_that_are_not_whole_are_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: bytes
) -> None:
    monkeypatch.setattr(weights.resources, "files", lambda _: tmp_path)
    if harm:
        (tmp_path / "_models").mkdir()
        (tmp_path / weights.ARCHIVE).write_bytes(harm)
    with pytest.raises(BrokenWeights, match="pip install --force-reinstall"):
        weights.load_network()


def test_a_machine_without_descriptors_is_told_from_weights_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(_: str) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(weights.resources, "files", scarce)
    with pytest.raises(BrokenWeights) as caught:
        weights.load_network()
    assert caught.value.errno == errno.EMFILE

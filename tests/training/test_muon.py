"""Muon: steps are orthogonal, a state can be taken up."""

import pytest
import torch
from torch import Tensor

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.stft import N_BINS
from training.muon import MuonAdamW, matrices, orthogonalised


@pytest.mark.parametrize("shape", [(8, 8), (8, 72), (64, 12)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalised(matrix) @ right.T
    assert found.diagonal().min() > 0.6
    assert found.diagonal().max() < 1.3
    assert (found - found.diagonal().diag()).abs().max() < 1e-3


def test_half_precision_is_near_single_precision() -> None:
    matrix = torch.randn((64, 96), generator=torch.Generator().manual_seed(2))
    found, expected = orthogonalised(matrix, torch.bfloat16), orthogonalised(matrix)
    assert found.dtype == matrix.dtype
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_every_kernel_between_encoders_and_decoders_is_a_matrix() -> None:
    network = MaskNetwork(ModelSize(8))
    chosen = {id(p) for p in matrices(network)}
    for name, parameter in network.named_parameters():
        inner = name.startswith(("blocks_", "down.", "up.", "dense"))
        kernel = name.endswith((".conv.weight", ".linear.weight", "dense_in.weight", "dense_out.weight"))
        assert (id(parameter) in chosen) == (inner and kernel), name


def network_and_loss() -> tuple[MaskNetwork, Tensor]:
    torch.manual_seed(1)
    network = MaskNetwork(ModelSize(8))
    spectrogram = torch.randn(1, 20, N_BINS, dtype=torch.complex64)
    return network, (network(spectrogram).apply(spectrogram) - 0.3).abs().square().mean()


def stepped(optimiser: MuonAdamW, loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def test_a_state_can_be_taken_up() -> None:
    network, loss = network_and_loss()
    optimiser = MuonAdamW(network, 1e-2)
    stepped(optimiser, loss)
    other = MuonAdamW(MaskNetwork(ModelSize(8)), 1e-2)
    other.load_state_dict(optimiser.state_dict())
    for one, two in zip(optimiser.means, other.means, strict=True):
        assert one.any()
        assert torch.equal(one, two)


def test_no_gradient_is_left_for_the_next_step() -> None:
    network, loss = network_and_loss()
    optimiser = MuonAdamW(network, 1e-2)
    stepped(optimiser, loss)
    optimiser.zero_grad()
    assert all(p.grad is None for p in network.parameters())

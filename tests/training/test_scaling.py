"""Factors reach the parameters that they name and nothing else; the package's own can be read."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.weights import load_network, save_weights
from training.scaling import Scale, main, read_scales, scaled


def tensors() -> dict[str, torch.Tensor]:
    """Return a network's tensors, none of which holds zeros that a factor would leave as they are."""
    torch.manual_seed(1)
    state = MaskNetwork(ModelSize(8)).state_dict()
    return {name: torch.rand_like(t) + 0.5 if t.is_floating_point() else t + 1 for name, t in state.items()}


def test_a_normalisation_is_scaled_without_its_statistics() -> None:
    before = tensors()
    after = scaled(before, [Scale("dense.1.norm", 0.5)])
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"dense.1.norm.weight", "dense.1.norm.bias"}
    assert all(torch.equal(after[name], before[name] / 2) for name in changed)


def test_the_last_output_alone_is_scaled() -> None:
    before = tensors()
    after = scaled(before, [Scale("decoders.0.out", 2.0, last_output=True)])
    for name in ("decoders.0.out.weight", "decoders.0.out.bias"):
        assert torch.equal(after[name][..., :-1], before[name][..., :-1])
        assert torch.equal(after[name][..., -1], 2 * before[name][..., -1])


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no parameters belong to dense\.99\.norm"):
        scaled(tensors(), [Scale("dense.99.norm", 0.5)])


def test_the_scales_of_the_package_name_modules_that_it_has() -> None:
    network = MaskNetwork().state_dict()
    scales = read_scales(Path("training/scales.toml"))
    after = scaled(network, scales)
    for scale in scales:
        name = f"{scale.module}.bias" if scale.last_output else f"{scale.module}.weight"
        assert not torch.equal(after[name], network[name])


def test_scaled_weights_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target, scales = (tmp_path / name for name in ("a.safetensors", "b.safetensors", "scales.toml"))
    save_weights(tensors(), source, {"model": '{"channels": 8}', "step": "7"})
    scales.write_text('[[scale]]\nmodule = "up.0.conv"\nfactor = 0.5\n')
    monkeypatch.setattr(sys, "argv", ["scaling", str(source), str(target), str(scales)])
    main()
    assert load_network(torch.device("cpu"), target).size == ModelSize(8)
    before, after = load_file(source), load_file(target)
    assert torch.equal(after["up.0.conv.weight"], before["up.0.conv.weight"] / 2)

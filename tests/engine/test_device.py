"""Where the model runs, in which numbers, and how its threads wait."""

import os
import subprocess
import sys

import pytest
import torch

from munsit_denoise.engine import device
from munsit_denoise.engine.device import choose_precision
from munsit_denoise.engine.open import open_engine
from munsit_denoise.engine.threads import CHOSEN_BY

CPU = torch.device("cpu")
SPIN = """
import os, sys
import munsit_denoise.engine.open, munsit_denoise.engine.device
assert "torch" not in sys.modules
munsit_denoise.engine.device.choose_device("cpu")
print({name: os.environ[name] for name in sys.argv[1].split() if name in os.environ})
"""


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"architecture": "arm64", "bf16": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize("there", [True, False])
def test_auto_takes_bfloat16_where_the_card_has_it(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: there and not including_emulation)
    assert choose_precision("auto", torch.device("cuda")) == (torch.bfloat16 if there else torch.float32)


@pytest.mark.parametrize("there", [True, False])
def test_an_engine_takes_what_the_processor_has(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """The layers that float32 alone can have stay out where the products are in bfloat16."""
    loaded = []
    monkeypatch.setattr(device, "_computes_in_bfloat16", lambda _: there)
    monkeypatch.setattr(
        "munsit_denoise.engine.weights.load_network", lambda _, precision, dry: loaded.append(precision)
    )
    monkeypatch.setattr("munsit_denoise.engine.masking.MaskEnhancer", lambda *given: loaded.append(given[2]))
    open_engine("cpu", 0)
    assert loaded == [torch.bfloat16 if there else torch.float32] * 2


def spinning() -> dict[str, str]:
    """Return what a fresh process finds in its environment once the device has been chosen."""
    plain = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY}
    command = [sys.executable, "-c", SPIN, " ".join(CHOSEN_BY)]
    done = subprocess.run(command, env=plain, check=True, capture_output=True, text=True)
    return dict(eval(done.stdout))  # a dict of strings, printed above


def test_threads_that_wait_sleep_soon() -> None:
    assert spinning() == {"GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize("name", CHOSEN_BY)
def test_the_environment_s_own_choice_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from munsit_denoise.engine import threads

    for each in CHOSEN_BY:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "7")
    monkeypatch.delitem(sys.modules, "torch")
    threads.wait_briefly()
    assert {each: os.environ.get(each) for each in CHOSEN_BY} == dict.fromkeys(CHOSEN_BY) | {name: "7"}


def test_nothing_is_set_once_it_would_be_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    from munsit_denoise.engine import threads

    for each in CHOSEN_BY:
        monkeypatch.delenv(each, raising=False)
    threads.wait_briefly()
    assert not any(name in os.environ for name in CHOSEN_BY)

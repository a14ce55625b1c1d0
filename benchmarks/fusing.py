"""`python -m benchmarks.fusing`: where the network's time goes, and what a compiler that fuses operations would save.

TorchInductor compiles the network with frozen weights, which needs a C++ compiler and some minutes. Both networks get
the same spectrogram in turns, on one thread.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
import torch._dynamo.config
import torch._inductor.config
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.report import line
from munsit_denoise.engine.stft import HOP_LENGTH, N_BINS, SAMPLE_RATE_HZ
from munsit_denoise.engine.threads import wait_briefly
from munsit_denoise.engine.weights import load_network

FRAMES = 1000
TURNS = 9
MOST = 12  # operations that are printed
VERSIONS = 200  # of one function, each for layers of another shape: more than there are


def main() -> None:
    """Print the shares of the operations and the times of both networks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fusing", description=__doc__)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    precision = getattr(torch, parser.parse_args().precision)
    wait_briefly()
    torch.set_num_threads(1)
    torch._inductor.config.freezing = True
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = VERSIONS
    network = load_network(torch.device("cpu"), precision=precision)
    torch.manual_seed(0)
    spectrogram = 0.01 * torch.randn(1, FRAMES, N_BINS, dtype=torch.complex64)
    compiled = torch.compile(network, dynamic=False)

    def run(forward: Callable[[Tensor], object]) -> float:
        started = time.perf_counter()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            forward(spectrogram)
        return time.perf_counter() - started

    for forward in (network, compiled, network, compiled):  # compiles, and lets memory be mapped
        run(forward)
    print_operations(lambda: run(network))
    pairs = [(run(network), run(compiled)) for _ in range(TURNS)]
    seconds = FRAMES * HOP_LENGTH / SAMPLE_RATE_HZ
    line(f"the network, {seconds:.1f} s of sound, one thread", f"{median(own for own, _ in pairs) * 1000:.0f} ms")
    line("the same, compiled by TorchInductor", f"{median(other for _, other in pairs) * 1000:.0f} ms")
    line("gain by fusing, median of the turns", f"{median(own / other for own, other in pairs):.2f} x")


def print_operations(step: Callable[[], object]) -> None:
    """Print the share of each operation in the processor time of a step."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step()
    operations = sorted(profiler.key_averages(), key=lambda each: each.self_cpu_time_total, reverse=True)
    total = sum(each.self_cpu_time_total for each in operations)
    for each in operations[:MOST]:
        line(f"  {each.key}, {each.count} times", f"{each.self_cpu_time_total / total:.1%}")


if __name__ == "__main__":
    main()

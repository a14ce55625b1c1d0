"""The cores of this process, and how long idle PyTorch threads spin before they sleep."""

import os
import sys

# How many times a waiting thread of libgomp looks for work: some microseconds. The default of 300,000 takes cores from
# working threads on a busy machine; with 0, a thread has to be woken for each operation.
SPIN_COUNT = "GOMP_SPINCOUNT", "1000"
CHOSEN_BY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # variables with which the environment sets the same


def wait_briefly() -> None:
    """Let waiting threads sleep soon, unless the environment says otherwise; call it before PyTorch is loaded.

    OpenMP reads the environment once, while PyTorch is loaded.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in CHOSEN_BY):
        name, value = SPIN_COUNT
        os.environ[name] = value


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""How long the threads of PyTorch's operations wait for their next piece of work, before they sleep."""

import os
import sys

# Turns of the loop in which a waiting thread looks for work, of libgomp: some microseconds. Its own default is
# 300,000, which on a busy machine takes the cores from the thread that is waited for; 0 has to wake a thread for
# each operation.
SPIN_COUNT = "GOMP_SPINCOUNT", "1000"
CHOSEN_BY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # by whoever set one of them


def wait_briefly() -> None:
    """Let waiting threads sleep soon, unless the environment says how they wait; call it before PyTorch is loaded.

    OpenMP reads the environment while PyTorch is loaded, so afterwards nothing is set.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in CHOSEN_BY):
        name, value = SPIN_COUNT
        os.environ[name] = value

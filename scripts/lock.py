"""Resolve pyproject.toml into two lock files with hashes: one for PyTorch with its CUDA packages, one for the rest.

They are for Python 3.11 to 3.13; packages for only some of these have a marker.
"""

import re
import subprocess
import sys
from pathlib import Path

TORCH = re.compile(r"(torch|torchaudio|triton|nvidia-|cuda-)")
VERSIONS = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest"]
EXTRAS = ["--extra", "cluster", "--extra", "dev"]  # not `best`: its package has no wheel for some machines
OPTIONS = ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate", "-q"]


def main() -> None:
    """Write requirements.lock and requirements-torch.lock."""
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [uv, "pip", "compile", "pyproject.toml", *VERSIONS, *EXTRAS, *OPTIONS],
        check=True,
        capture_output=True,
        text=True,
    )
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", done.stdout)
    torch = [block for block in blocks if TORCH.match(block)]
    Path("requirements-torch.lock").write_text("".join(torch))
    Path("requirements.lock").write_text("".join(block for block in blocks if block.strip() and block not in torch))


if __name__ == "__main__":
    main()

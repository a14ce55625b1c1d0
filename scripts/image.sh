#!/bin/sh
# The image's steps: the locked packages, PyTorch, our own. Called by the Dockerfile; PREFIX names another place.
set -eu
prefix=${PREFIX:-/opt/denoise}
pip="$prefix/bin/pip --disable-pip-version-check --no-cache-dir -q"

case $1 in
packages)
  wanted=$(mktemp)
  # Everything but what only tests and benchmarks need: the lock names those packages as well.
  "$prefix/bin/python" - > "$wanted" <<'PYTHON'
import re, tomllib
from pathlib import Path

TEST_ONLY = {"moto", "playwright", "schemathesis", "pytest", "mypy", "ruff", "hypothesis"}
blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", Path("requirements.lock").read_text())
name = lambda block: re.split(r"[=<>~! \[;]", block, maxsplit=1)[0].lower()
print("".join(block for block in blocks if block.strip() and name(block) not in TEST_ONLY))
PYTHON
  $pip install --no-deps --require-hashes -r "$wanted"
  rm "$wanted"
  ;;
torch)
  if [ "${TORCH:-cpu}" = cpu ] && [ -n "${TORCH_INDEX:-}" ]; then
    versions=$(grep -oE '^(torch|torchaudio)==[0-9.]+' requirements-torch.lock)
    # shellcheck disable=SC2086 - two requirements, two words
    $pip install --index-url "$TORCH_INDEX" $versions
  else
    $pip install --no-deps --require-hashes -r requirements-torch.lock
  fi
  ;;
package)
  $pip install --no-deps --no-build-isolation .
  ;;
esac

#!/bin/sh
# Creates the virtual environment from the lock files, and sees to ffmpeg. Called by `make install`.
set -eu
python=${PYTHON:-python3} venv=${VENV:-.venv} torch_index=${TORCH_INDEX:-}

say() { printf '%s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Python 3.11 or newer is needed: make install PYTHON=python3.11"; exit 1; }

sh scripts/system.sh ffmpeg ffmpeg
sh scripts/system.sh ffprobe ffmpeg

if [ ! -x "$venv/bin/pip" ]; then
  "$python" -c 'import ensurepip, venv' 2>/dev/null || sh scripts/system.sh --always python3-venv
  "$python" -m venv "$venv"
fi

pip="$venv/bin/pip --disable-pip-version-check -q"
say "Installing the locked packages into $venv (PyTorch alone is 4 GB with CUDA; docs/quick-start.md shows the CPU build) ..."
# The locks name all that is needed; older versions of pip take a newer release for a locked one with an extra.
$pip install --no-deps --require-hashes -r requirements.lock
if [ -n "$torch_index" ]; then
  versions=$(grep -oE '^(torch|torchaudio)==[0-9.]+' requirements-torch.lock)
  # shellcheck disable=SC2086 - two requirements, two words
  $pip install --index-url "$torch_index" $versions
else
  $pip install --no-deps --require-hashes -r requirements-torch.lock
fi
$pip install --no-deps --no-build-isolation -e .
"$venv/bin/python" -c 'import torch, torchaudio' || { say "torch and torchaudio do not fit each other; see docs/quick-start.md"; exit 1; }

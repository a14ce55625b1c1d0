#!/bin/sh
# Creates the virtual environment from the lock files, and sees to ffmpeg. Called by `make install`.
set -eu
python=${PYTHON:-python3} venv=${VENV:-.venv} torch_index=${TORCH_INDEX:-}

say() { printf '%s\n' "$*" >&2; }
may_install() { command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; }
apt() { DEBIAN_FRONTEND=noninteractive apt-get "$@" >/dev/null; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Python 3.11 or newer is needed: make install PYTHON=python3.11"; exit 1; }

if ! command -v ffmpeg >/dev/null 2>&1 || ! command -v ffprobe >/dev/null 2>&1; then
  may_install || { say "FFmpeg is missing. Install it, for example with: sudo apt-get install ffmpeg"; exit 1; }
  say "Installing ffmpeg ..."
  apt update && apt install -y --no-install-recommends ffmpeg
fi

if [ ! -x "$venv/bin/pip" ]; then
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    may_install || { say "The venv module is missing. Install it, for example with: sudo apt-get install python3-venv"; exit 1; }
    apt update && apt install -y --no-install-recommends python3-venv
  fi
  "$python" -m venv "$venv"
fi

pip="$venv/bin/pip --disable-pip-version-check -q"
say "Installing the locked packages into $venv (PyTorch alone is 4 GB with CUDA; README tells how to take the CPU build) ..."
$pip install --require-hashes -r requirements.lock
if [ -n "$torch_index" ]; then
  versions=$(grep -oE '^(torch|torchaudio)==[0-9.]+' requirements-torch.lock)
  # shellcheck disable=SC2086 - two requirements, two words
  $pip install --index-url "$torch_index" $versions
else
  $pip install --require-hashes -r requirements-torch.lock
fi
$pip install --no-deps --no-build-isolation -e .
"$venv/bin/python" -c 'import torch, torchaudio' || { say "torch and torchaudio do not fit each other; see README, PyTorch builds"; exit 1; }

#!/bin/sh
# Creates the virtual environment from the lock files, and sees to ffmpeg. Called by `make install`.
set -eu
python=${PYTHON:-python3} venv=${VENV:-.venv} torch_index=${TORCH_INDEX:-}

say() { printf '%s\n' "$*" >&2; }

if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
  say "Python 3.11 to 3.13 is needed, and this is $("$python" --version 2>&1). Name another one: make install PYTHON=python3.11"
  exit 1
fi

sh scripts/system.sh ffmpeg ffmpeg ffprobe ffmpeg

if [ ! -x "$venv/bin/pip" ]; then
  "$python" -c 'import ensurepip, venv' 2>/dev/null || sh scripts/system.sh --always python3-venv
  "$python" -m venv "$venv"
fi

pip="$venv/bin/pip --disable-pip-version-check -q"

# uv, which the lock names, installs in an eighth of pip's time. It reads none of pip's settings but the index; where it
# fails, pip does the work. Its cache lies beside the packages, so that they are linked, not copied, and is removed.
install() {
  if [ -x "$venv/bin/uv" ] && UV_CACHE_DIR="$venv/.uv" "$venv/bin/uv" pip install -q --python "$venv/bin/python" "$@"; then return; fi
  $pip install "$@"
}
index=${PIP_INDEX_URL:-$($pip config get global.index-url 2>/dev/null || true)}
if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi

say "Installing the locked packages into $venv (PyTorch alone is 4 GB with CUDA; docs/quick-start.md shows the CPU build) ..."
# The locks name all that is needed; older versions of pip take a newer release for a locked one with an extra.
awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements.lock > "$venv/uv.lock"
$pip install --no-deps --require-hashes -r "$venv/uv.lock" || say "uv cannot be had here; pip installs all"
install --no-deps --require-hashes -r requirements.lock
if [ -n "$torch_index" ]; then
  versions=$(grep -oE '^(torch|torchaudio)==[0-9.]+' requirements-torch.lock)
  # shellcheck disable=SC2086 - two requirements, two words
  install --index-url "$torch_index" $versions
else
  install --no-deps --require-hashes -r requirements-torch.lock
fi
install --no-deps --no-build-isolation -e .
rm -rf "$venv/.uv" "$venv/uv.lock"
"$venv/bin/python" -c 'import torch, torchaudio' || { say "torch and torchaudio do not fit each other; see docs/quick-start.md"; exit 1; }

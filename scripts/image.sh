#!/bin/sh
# The image's steps: the locked packages, PyTorch, our own. Called by the Dockerfile; PREFIX names another place.
set -eu
prefix=${PREFIX:-/opt/denoise}
pip="$prefix/bin/pip --disable-pip-version-check --no-cache-dir -q"

case $1 in
packages)
  $pip install --no-deps --require-hashes -r requirements.lock
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
  # The locks name what tests need as well: it goes again.
  "$prefix/bin/python" - <<'PYTHON' | xargs -r $pip uninstall -y
import re
from importlib.metadata import PackageNotFoundError, distribution, distributions

from pip._vendor.packaging.requirements import Requirement


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


needed, waiting = {}, [Requirement("munsit-denoise[cluster]"), Requirement("pip")]
while waiting:
    wanted = waiting.pop()
    extras = {"", *wanted.extras}
    if extras <= needed.get(plain(wanted.name), set()):
        continue
    needed.setdefault(plain(wanted.name), set()).update(extras)
    try:
        requires = map(Requirement, distribution(wanted.name).requires or [])
    except PackageNotFoundError:  # of another system or Python
        continue
    waiting += [r for r in requires if not r.marker or any(r.marker.evaluate({"extra": e}) for e in extras)]
print(*(name for name in {plain(each.name) for each in distributions()} if name not in needed))
PYTHON
  ;;
*)
  echo "usage: image.sh packages|torch|package" >&2
  exit 2
  ;;
esac

#!/bin/sh
# usage: system.sh PROGRAM PACKAGE [PROGRAM PACKAGE]...: sees that programs are there, by apt-get where that is allowed.
set -eu

missing=
while [ $# -gt 1 ]; do
  command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
  shift 2
done
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing$missing ..." >&2
  export DEBIAN_FRONTEND=noninteractive
  # One transaction, and one list of packages an hour, for all that calls this.
  fresh=$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -60 2>/dev/null | head -n 1)
  # shellcheck disable=SC2086 - packages are words
  { [ -n "$fresh" ] || apt-get update -qq >/dev/null; } \
    && apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
fi
echo "Missing:$missing. Install what is missing, for example with: sudo apt-get install$missing" >&2
exit 1

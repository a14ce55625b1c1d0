#!/bin/sh
# usage: system.sh PROGRAM PACKAGE: sees that a program is there, by apt-get where that is allowed.
set -eu
program=$1 package=$2

command -v "$program" >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing $package ..." >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "$package" >/dev/null && exit 0
fi
echo "$package is missing. Install it, for example with: sudo apt-get install $package" >&2
exit 1
